"""Which encoding a file is in, and the formats that are refused by name."""

import codecs
import re

from mailroom.invoices.files.errors import FileRejected
from mailroom.invoices.files.formats.spelling import misread_word

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_UTF32_BOMS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_SINGLE_BYTE = re.compile(r"cp125[0-8]|cp437|cp85[0258]|cp866|iso8859-1?[0-9]|koi8-[ru]|mac-roman|mac-latin2")
_SEVERAL_BYTES = ("gbk", "gb18030", "big5", "shift_jis", "cp932", "euc_jp", "cp949", "euc_kr")
"""No byte of a character of several bytes is a line end in these."""

_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MAX_CONTROLS = 0.01  # of all characters; random bytes have ten times as many, a text has none

_FORMATS = (
    (b"PK\x03\x04", "a ZIP archive", "Unpack it and upload the CSV file inside."),
    (b"%PDF-", "a PDF document", "Export the invoices as CSV instead."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (xls), or one with a password", "Save it as xlsx or 'CSV UTF-8'."),
    (b"{\\rtf", "an RTF document", "Export the invoices as CSV instead."),
    (b"\x89PNG", "a PNG picture", "Export the invoices as CSV instead."),
    (b"\xff\xd8\xff", "a JPEG picture", "Export the invoices as CSV instead."),
    (b"BZh", "bzip2 data", "Unpack it, or compress it with gzip."),
    (b"\xfd7zXZ", "xz data", "Unpack it, or compress it with gzip."),
    (b"\x28\xb5\x2f\xfd", "Zstandard data", "Unpack it, or compress it with gzip."),
    (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it and upload the CSV file inside."),
    (b"Rar!", "a RAR archive", "Unpack it and upload the CSV file inside."),
    (b"PAR1", "a Parquet file", "Export it as CSV."),
    (b"\x1f\x8b", "gzip data inside gzip data", "Unpack it once."),
)
_TEXT_FORMATS = (
    (b"<", "XML or HTML", "Export the invoices as CSV instead."),
    (b"{", "JSON", "Export the invoices as CSV instead."),
    (b"[", "JSON", "Export the invoices as CSV instead."),
)

_MYOB = (b"{}\r", b"{}\n")
"""The first line of MYOB's exports, above the header."""


def refuse_other_formats(head: bytes) -> None:
    """Raise FileRejected `file.unsupported_format` for what is recognisably no CSV file."""
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()[:64]
    for magic, name, advice in _FORMATS:
        if head.startswith(magic):
            if magic == b"PK\x03\x04" and b"opendocument" in head[:200]:
                name, advice = "an OpenDocument file (ods)", "Open it and save it as CSV."
            raise FileRejected("file.unsupported_format", f"This is {name}, not a CSV file. {advice}")
    for opening, name, advice in _TEXT_FORMATS:
        if text.startswith(opening) and not text.startswith(_MYOB):
            raise FileRejected("file.unsupported_format", f"This is {name}, not a CSV file. {advice}")


def find_encoding(head: bytes, wanted: str, *, complete: bool) -> tuple[str, int]:
    """The codec, and the length of the byte order mark. A byte order mark goes before `wanted` (IMPORT_ENCODING).

    Raises FileRejected `file.encoding` or `file.binary`.
    """
    if head.startswith(_UTF32_BOMS):
        raise FileRejected("file.encoding", "This is UTF-32 text. Save the file as UTF-8.")
    encoding, start = next(((name, len(bom)) for bom, name in _BOMS if head.startswith(bom)), ("", 0))
    encoding = encoding or (_checked(wanted) if wanted else _guessed(head, complete=complete))
    text = head[start:].decode(encoding, "replace")
    if len(_CONTROLS.findall(text)) > _MAX_CONTROLS * len(text):
        message = "This is binary data, not text. (Text in UTF-16 needs a byte order mark, or IMPORT_ENCODING.)"
        raise FileRejected("file.binary", message)
    return encoding, start


def is_readable(name: str) -> bool:
    """Whether files in the encoding of this name are read."""
    return bool(_codec(name))


def _codec(wanted: str) -> str:
    """The codec of an encoding that is read; empty for any other."""
    try:
        name = codecs.lookup(wanted).name
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        return ""
    name = {"utf-8-sig": "utf-8", "ascii": "utf-8", "utf-16": "utf-16-le"}.get(name, name)
    is_read = name in ("utf-8", "utf-16-le", "utf-16-be", *_SEVERAL_BYTES) or _SINGLE_BYTE.fullmatch(name)
    return name if is_read else ""


def _checked(wanted: str) -> str:
    if name := _codec(wanted):
        return name
    message = f"IMPORT_ENCODING is {wanted!r}, which is not read. docs/importing.md lists the encodings."
    raise FileRejected("file.encoding", message)


def _guessed(head: bytes, *, complete: bool) -> str:
    """UTF-8, unless no line with other than ASCII is valid UTF-8: then cp1252, if its words look so.

    In a file with both kinds of lines the invalid ones are damaged rows, and are refused one by one.
    """
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=complete)
    except UnicodeDecodeError:
        if any(_is_utf8(line) for line in head.splitlines() if not line.isascii()):
            return "utf-8"
    else:
        return "utf-8"
    try:
        text = head.decode("cp1252")
    except UnicodeDecodeError as error:
        controls = sum(head.count(byte) for byte in range(32) if byte not in b"\t\n\r\f")
        if controls > _MAX_CONTROLS * len(head):
            raise FileRejected("file.binary", "This is binary data, not text.") from error
        message = "The text is neither UTF-8 nor cp1252. Save the file as UTF-8, or set IMPORT_ENCODING."
        raise FileRejected("file.encoding", message) from error
    # The last word of a head may be cut off.
    if word := misread_word(text if complete else text.rsplit(None, 1)[0]):
        message = (
            f"The text is not UTF-8, and read as cp1252 it has the word {word[:40]!r}, so it is in another encoding: "
            "save the file as UTF-8, or name the encoding in IMPORT_ENCODING."
        )
        raise FileRejected("file.encoding", message)
    return "cp1252"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
