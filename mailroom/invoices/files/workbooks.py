"""The first sheet of an Excel workbook (xlsx, xlsm) as CSV content, in bounded memory.

Detection, rows, rejects and offsets then work on that CSV: UTF-8, commas, doubled quotes, LF. The same workbook always
gives the same bytes, so that an import can go on from an offset. Numbers have the 15 significant digits that Excel
shows (142.8 for 142.79999999999998), dates are YYYY-MM-DD, formulas give the value last saved.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from typing import IO
from xml.parsers import expat

from mailroom.invoices.files.errors import FileRejected

ZIP_MAGIC = b"PK\x03\x04"

MAX_WORKBOOK_BYTES = 16 << 20
"""Of the object. The reader needs all of it at once."""
MAX_UNFOLDED_BYTES = 256 << 20
"""Of all parts of the workbook together."""

_MAX_ROW_ELEMENTS = 20_000
_MAX_STRINGS = 300_000
_MAX_OTHER_ELEMENTS = 100_000
_MAX_TEXT_BYTES = 4 << 20
_MAX_STRINGS_BYTES = 24 << 20
_MAX_CELLS = 2_000
_READ = 64 * 1024
_BLOCK = 128 * 1024


def is_workbook(head: bytes) -> bool:
    """Whether an object that begins so may be a workbook. Only the whole object can prove it."""
    return head.startswith(ZIP_MAGIC) and (b"xl/" in head or b"[Content_Types].xml" in head)


def held_workbook(chunks: Iterable[bytes]) -> bytes:
    """All of the object's bytes, which the reader needs at once. Raises FileRejected `file.too_large`."""
    held = io.BytesIO()
    for chunk in chunks:
        held.write(chunk)
        if held.tell() > MAX_WORKBOOK_BYTES:
            raise _too_large(f"it is larger than {MAX_WORKBOOK_BYTES >> 20} MiB")
    return held.getvalue()


def sheet_content(workbook: bytes, decimal_mark: str = ".") -> Iterator[bytes]:
    """The first sheet as CSV; cells that are numbers have that `decimal_mark`.

    Raises FileRejected `file.workbook_corrupt`, `file.unsupported_format` or `file.too_large`, also while it is read.
    """
    from openpyxl import load_workbook  # type: ignore[import-untyped]  # in 0.2 s: only when there is a workbook

    held = io.BytesIO(workbook)
    try:
        with zipfile.ZipFile(held) as archive:
            _check_parts(archive)
        book = load_workbook(held, read_only=True, data_only=True, keep_links=False)
        if not book.worksheets:
            raise FileRejected("file.empty", "The workbook has no sheet with cells.")
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # the size in the file may be wrong
        yield from _lines(sheet.iter_rows(values_only=True), decimal_mark)
    except FileRejected:
        raise
    except Exception as error:  # the file is at fault, and always will be
        message = f"The workbook is damaged ({type(error).__name__}): open it, save it anew, or save it as 'CSV UTF-8'."
        raise FileRejected("file.workbook_corrupt", message) from error


def _lines(rows: Iterable[tuple[object, ...]], decimal_mark: str) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    width = 0
    for row in rows:
        if len(row) > _MAX_CELLS:
            raise _too_large(f"a row has more than {_MAX_CELLS:,} cells")
        width = width or len(row)  # of the header: empty cells at the end of a row are not in the file
        missing = width - len(row) if row else 0
        writer.writerow([*(_written(cell, decimal_mark) for cell in row), *[""] * missing])
        if text.tell() >= _BLOCK:
            yield text.getvalue().encode("utf-8", "replace")
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode("utf-8", "replace")


def _written(value: object, decimal_mark: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        digits = f"{value:.15g}"
        plain = digits if "e" not in digits else f"{float(digits):.10f}".rstrip("0").rstrip(".")
        return plain.replace(".", decimal_mark)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _check_parts(archive: zipfile.ZipFile) -> None:
    """Refuses a workbook that would fill the memory or never end, before the reader holds any of it.

    An archive may give less than the real size of a part. `zipfile` reads no further then, for the reader too.
    """
    if "xl/workbook.xml" not in archive.namelist():
        message = (
            "This is a ZIP archive or Office document, but no Excel workbook (xlsx). Upload a CSV file or a workbook."
        )
        raise FileRejected("file.unsupported_format", message)
    if sum(part.file_size for part in archive.infolist()) > MAX_UNFOLDED_BYTES:
        raise _too_large(f"it unfolds to more than {MAX_UNFOLDED_BYTES >> 20} MiB")
    for part in archive.infolist():
        with archive.open(part) as file:
            _ElementCount().read(file)


class _ElementCount:
    """Counts the elements of a part that a reader of the workbook holds at a time: a row, all strings, all else."""

    def __init__(self) -> None:
        self._in_row = self._text = self._strings = self._strings_text = self._others = 0
        self._row = False

    def read(self, file: IO[bytes]) -> None:
        """Raises FileRejected `file.too_large`. Ends where the XML is broken: a reader stops there too."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._characters
        given = 0
        while block := file.read(_READ):
            given += len(block)
            try:
                parser.Parse(block)
            except expat.ExpatError:
                return
            if given - parser.CurrentByteIndex > _MAX_TEXT_BYTES:
                raise _too_large("it has a value that is too long")

    def _start(self, name: str, _: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        if kind == "row":
            self._row, self._in_row, self._text = True, 0, 0
        elif kind == "si":
            self._strings += 1
            self._in_row = self._text = 0
        elif self._row or self._strings:
            self._in_row += 1
        else:
            self._others += 1
        if self._in_row > _MAX_ROW_ELEMENTS:
            raise _too_large("a row or value has too many parts")
        if self._strings > _MAX_STRINGS:
            raise _too_large(f"it has more than {_MAX_STRINGS:,} different texts")
        if self._others > _MAX_OTHER_ELEMENTS:
            raise _too_large("it has too many styles, sheets or names")

    def _characters(self, text: str) -> None:
        self._text += len(text)
        self._strings_text += len(text) if self._strings else 0
        if self._text > _MAX_TEXT_BYTES or self._strings_text > _MAX_STRINGS_BYTES:
            raise _too_large("its texts are too long")


def _too_large(why: str) -> FileRejected:
    return FileRejected(
        "file.too_large", f"The workbook cannot be read: {why}. Save it as 'CSV UTF-8' and upload that."
    )
