"""The first visible sheet of an Excel workbook (xlsx, xlsm) as CSV content, in bounded memory.

Detection, rows, rejects and offsets then work on that CSV: UTF-8, commas, doubled quotes, LF. The same workbook always
gives the same bytes, so that an import can go on from an offset. Numbers have the 15 significant digits that Excel
shows (142.8 for 142.79999999999998) and its leading zeros, dates are YYYY-MM-DD, formulas give the value last saved.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mailroom.invoices.files.archives import WorkbookArchive, too_large
from mailroom.invoices.files.errors import FileRejected
from mailroom.invoices.model.columns import REQUIRED

if TYPE_CHECKING:
    from mailroom.invoices.files.sheets import SheetRow

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

    Yields an empty block after each piece of the sheet, so that its caller can renew a lease while no content comes.
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
    from openpyxl.styles.numbers import BUILTIN_FORMATS_MAX_SIZE  # type: ignore[import-untyped]
    from openpyxl.styles.stylesheet import Stylesheet  # type: ignore[import-untyped]
    from openpyxl.xml.constants import ARC_STYLE  # type: ignore[import-untyped]
    from openpyxl.xml.functions import fromstring  # type: ignore[import-untyped]

    from mailroom.invoices.files.sheets import CellFormats, SheetReader, patterns_of

    # It opens the archive itself, and takes ours instead, which checks each part.
    reader = ExcelReader(archive.fp, read_only=True, data_only=True, keep_links=False)
    reader.archive = archive
    reader.read_manifest()
    reader.read_strings()
    reader.read_workbook()
    sheets = reader.parser.find_sheets()
    visible = (rel for sheet, rel in sheets if sheet.state == "visible" and "chartsheet" not in rel.Type)
    name = next((rel.target for rel in visible if rel.target in archive.namelist()), None)
    if name is None:
        raise FileRejected("file.empty", "The workbook has no visible sheet with cells.")
    has_styles = ARC_STYLE in archive.namelist()
    styles = Stylesheet.from_tree(fromstring(archive.read(ARC_STYLE))) if has_styles else Stylesheet()
    number_formats = dict(enumerate(styles.number_formats, BUILTIN_FORMATS_MAX_SIZE))
    formats = CellFormats(
        texts=reader.shared_strings,
        dates=frozenset(styles.date_formats),
        spans=frozenset(styles.timedelta_formats),
        patterns=patterns_of(number_formats.get(style.numFmtId, "") for style in styles.cell_styles),
        epoch=reader.wb.epoch,
    )
    with archive.unchecked(name) as file:
        yield from _lines(SheetReader(formats, decimal_mark).read(file))


def _lines(blocks: Iterable[list[SheetRow]]) -> Iterator[bytes]:
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
