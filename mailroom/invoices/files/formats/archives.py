"""The ZIP archive of a workbook. Each part is checked before openpyxl reads it whole."""

import io
import zipfile
from typing import IO
from xml.parsers import expat

from mailroom.invoices.files.errors import FileRejected

MAX_UNFOLDED_BYTES = 256 << 20
"""Of all parts of the workbook together."""
MAX_TEXT_BYTES = 4 << 20
"""Of one value."""
READ_BYTES = 64 * 1024

_ENTRY_MARK = b"PK\x01\x02"
_MAX_PARTS = 10_000
"""A workbook has some dozens, or one more for each picture. `zipfile` takes 1.5 kB of memory for each."""

_MAX_VALUE_ELEMENTS = 20_000
_MAX_STRINGS = 300_000
_MAX_STRINGS_BYTES = 24 << 20
_MAX_STRINGS_ELEMENTS = 3_000_000
_MAX_OTHER_ELEMENTS = 100_000
_STRING = "http://schemas.openxmlformats.org/spreadsheetml/2006/main}si"


class WorkbookArchive(zipfile.ZipFile):
    """The parts of a workbook in memory.

    Raises FileRejected `file.unsupported_format` or `file.too_large`, and `zipfile.BadZipFile`.
    """

    def __init__(self, workbook: bytes) -> None:
        # `zipfile` makes an object of each entry, whatever number of entries the archive claims to have.
        if workbook.count(_ENTRY_MARK) > _MAX_PARTS:
            raise too_large(f"it has more than {_MAX_PARTS:,} parts")
        super().__init__(io.BytesIO(workbook))
        if "xl/workbook.xml" not in self.namelist():
            message = "This is a ZIP archive or Office document, but no Excel workbook (xlsx)."
            raise FileRejected("file.unsupported_format", f"{message} Upload a CSV file or a workbook.")
        # An archive may give less than the real size of a part. `zipfile` reads no further then.
        if sum(part.file_size for part in self.infolist()) > MAX_UNFOLDED_BYTES:
            raise too_large(f"it unfolds to more than {MAX_UNFOLDED_BYTES >> 20} MiB")

    def open(self, name, mode="r", pwd=None, *, force_zip64=False):  # type: ignore[no-untyped-def]  # as its base
        """Raises FileRejected `file.too_large` for a part that would fill the memory or never end.

        Raises `expat.ExpatError` for broken XML: openpyxl has two parsers, and the other one may read on.
        """
        with self.unchecked(name) as file:
            _ElementCount().read(file)
        return self.unchecked(name)

    def unchecked(self, name: str) -> IO[bytes]:
        """A part for a reader that has bounds of its own. Raises FileRejected `file.too_large`."""
        if self.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise too_large("it is packed in a way that Excel does not use")
        return super().open(name)


def new_parser() -> expat.XMLParserType:
    """A parser that names elements `namespace}name`. A workbook has no document type, so no entities unfold."""
    parser = expat.ParserCreate(None, "}")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    return parser


def _refuse_document_type(*_: object) -> None:
    raise FileRejected("file.workbook_corrupt", "The workbook is damaged (document type): open it and save it anew.")


class _ElementCount:
    """Counts the elements of a part, of which openpyxl holds many: those of one text, of all texts, and all others."""

    def __init__(self) -> None:
        self._in_string = self._text = self._strings = self._strings_text = self._elements = self._others = 0

    def read(self, file: IO[bytes]) -> None:
        """Raises FileRejected `file.too_large`, and `expat.ExpatError`."""
        parser = new_parser()
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._characters
        given = 0
        while block := file.read(READ_BYTES):
            given += len(block)
            parser.Parse(block)
            if given - parser.CurrentByteIndex > MAX_TEXT_BYTES:
                raise too_large("it has a value that is too long")

    def _start(self, name: str, _: dict[str, str]) -> None:
        self._elements += 1
        if name == _STRING:
            self._strings += 1
            self._in_string = self._text = 0
        elif self._strings:
            self._in_string += 1
        else:
            self._others += 1
        if self._in_string > _MAX_VALUE_ELEMENTS:
            raise too_large("a value has too many parts")
        if self._strings > _MAX_STRINGS or self._elements > _MAX_STRINGS_ELEMENTS:
            raise too_large(f"it has more than {_MAX_STRINGS:,} different texts")
        if self._others > _MAX_OTHER_ELEMENTS:
            raise too_large("it has too many styles, sheets or names")

    def _characters(self, text: str) -> None:
        self._text += len(text)
        self._strings_text += len(text) if self._strings else 0
        if self._text > MAX_TEXT_BYTES or self._strings_text > _MAX_STRINGS_BYTES:
            raise too_large("its texts are too long")


def too_large(why: str) -> FileRejected:
    """The error for a workbook that cannot be read in bounded memory and time."""
    return FileRejected(
        "file.too_large", f"The workbook cannot be read: {why}. Save it as 'CSV UTF-8' and upload that."
    )
