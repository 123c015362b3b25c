"""The first visible sheet of an Excel workbook (xlsx, xlsm) as CSV content, in bounded memory.

Detection, rows, rejects and offsets then work on that CSV: UTF-8, commas, doubled quotes, LF. The same workbook always
gives the same bytes, so that an import can go on from an offset. Numbers have the 15 significant digits that Excel
shows (142.8 for 142.79999999999998) and its leading zeros, dates are YYYY-MM-DD, formulas give the value last saved.
"""

import csv
import io
from collections.abc import Iterable, Iterator

from mailroom.invoices.files.archives import WorkbookArchive, too_large
from mailroom.invoices.files.errors import FileRejected
from mailroom.invoices.model.columns import REQUIRED

ZIP_MAGIC = b"PK\x03\x04"

MAX_WORKBOOK_BYTES = 16 << 20
"""Of the object. The reader needs all of it at once."""
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
            raise too_large(f"it is larger than {MAX_WORKBOOK_BYTES >> 20} MiB")
    return held.getvalue()


def sheet_content(workbook: bytes, decimal_mark: str = ".") -> Iterator[bytes]:
    """The first visible sheet as CSV; cells that are numbers have that `decimal_mark`.

    Yields an empty block after each part of the sheet that gives no content, so that its caller can renew a lease.
    Raises FileRejected `file.workbook_corrupt`, `file.unsupported_format` or `file.too_large`, also while it is read.
    """
    try:
        with WorkbookArchive(workbook) as archive:
            yield from _sheet(archive, decimal_mark)
    except FileRejected:
        raise
    except Exception as error:  # the file is at fault, and always will be
        message = f"The workbook is damaged ({type(error).__name__}): open it, save it anew, or save it as 'CSV UTF-8'."
        raise FileRejected("file.workbook_corrupt", message) from error


def _sheet(archive: WorkbookArchive, decimal_mark: str) -> Iterator[bytes]:
    from openpyxl.reader.excel import ExcelReader  # type: ignore[import-untyped]  # in 0.2 s: only for a workbook
    from openpyxl.styles.stylesheet import apply_stylesheet  # type: ignore[import-untyped]

    from mailroom.invoices.files.sheets import CellFormats, SheetReader, patterns_of

    reader = ExcelReader(archive.fp, read_only=True, data_only=True, keep_links=False)
    reader.archive = archive
    reader.read_manifest()
    reader.read_strings()
    reader.read_workbook()
    apply_stylesheet(archive, reader.wb)
    sheets = reader.parser.find_sheets()
    visible = (rel for sheet, rel in sheets if sheet.state == "visible" and "chartsheet" not in rel.Type)
    name = next((rel.target for rel in visible if rel.target in archive.namelist()), None)
    if name is None:
        raise FileRejected("file.empty", "The workbook has no visible sheet with cells.")
    book = reader.wb
    number_formats = {164 + at: code for at, code in enumerate(book._number_formats)}
    formats = CellFormats(
        texts=reader.shared_strings,
        dates=frozenset(book._date_formats),
        spans=frozenset(book._timedelta_formats),
        patterns=patterns_of(number_formats.get(style.numFmtId, "") for style in book._cell_styles),
        epoch=book.epoch,
    )
    with archive.unchecked(name) as file:
        yield from _lines(SheetReader(formats, decimal_mark).read(file))


def _lines(blocks: Iterable[list[list[str]]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    width = 0
    for rows in blocks:
        for row in rows:
            # The width of the header, which has a name for each required column. A file has no empty cells at the end
            # of a row, and the titles above a header are narrower.
            width = width or (len(row) if len(row) >= len(REQUIRED) else 0)
            writer.writerow(row + [""] * (width - len(row)) if row else row)
            if text.tell() >= _BLOCK:
                yield _taken(text)
        yield b""
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    block = text.getvalue().encode("utf-8", "replace")
    text.seek(0)
    text.truncate()
    return block
