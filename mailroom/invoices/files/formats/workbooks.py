"""A sheet of an Excel workbook (xlsx, xlsm) as CSV content, in bounded memory.

Detection, rows, rejects and offsets then work on that CSV: UTF-8, commas, doubled quotes, LF. The same workbook always
gives the same bytes, so that an import can go on from an offset. Numbers have the 15 significant digits that Excel
shows (142.8 for 142.79999999999998) and its leading zeros, dates are YYYY-MM-DD, formulas give the value last saved.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mailroom.invoices.files.errors import FileRejected
from mailroom.invoices.files.formats.archives import WorkbookArchive, too_large

if TYPE_CHECKING:
    from mailroom.invoices.files.formats.sheets import SheetRow

ZIP_MAGIC = b"PK\x03\x04"

MAX_WORKBOOK_BYTES = 16 << 20
"""Of the object. The reader needs all of it at once."""
_BLOCK = 128 * 1024
_PADDED_FROM = 7
"""The first row with this many cells sets the width of all rows. The offsets of running imports depend on it."""
_MOST_SHOWN = 50
"""Sheets that an error lists."""


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


def sheet_content(workbook: bytes, decimal_mark: str = ".", sheet: str = "") -> Iterator[bytes]:
    """A sheet as CSV; cells that are numbers have that `decimal_mark`.

    `sheet` is the name of the sheet, or its number among the visible ones. Empty: the first visible one.

    Yields an empty block after each piece of the sheet, so that its caller can renew a lease while no content comes.
    Raises FileRejected `file.workbook_corrupt`, `file.unsupported_format`, `file.sheet_missing` or `file.too_large`,
    also while it is read.
    """
    try:
        with WorkbookArchive(workbook) as archive:
            yield from _sheet(archive, decimal_mark, sheet)
    except (FileRejected, MemoryError):
        raise
    except Exception as error:  # the file is at fault, and always will be
        message = f"The workbook is damaged ({type(error).__name__}): open it, save it anew, or save it as 'CSV UTF-8'."
        raise FileRejected("file.workbook_corrupt", message) from error


def _sheet(archive: WorkbookArchive, decimal_mark: str, sheet: str) -> Iterator[bytes]:
    from openpyxl.reader.excel import ExcelReader  # type: ignore[import-untyped]  # in 0.2 s: only for a workbook
    from openpyxl.styles.numbers import BUILTIN_FORMATS_MAX_SIZE  # type: ignore[import-untyped]
    from openpyxl.styles.stylesheet import Stylesheet  # type: ignore[import-untyped]
    from openpyxl.xml.constants import ARC_STYLE  # type: ignore[import-untyped]
    from openpyxl.xml.functions import fromstring  # type: ignore[import-untyped]

    from mailroom.invoices.files.formats.sheets import CellFormats, SheetReader, patterns_of

    # It opens the archive itself, and takes ours instead, which checks each part.
    reader = ExcelReader(archive.fp, read_only=True, data_only=True, keep_links=False)
    reader.archive = archive
    reader.read_manifest()
    reader.read_strings()
    reader.read_workbook()
    sheets = [
        _Sheet(each.name, rel.target, each.state == "visible")
        for each, rel in reader.parser.find_sheets()
        if "chartsheet" not in rel.Type and rel.target in archive.namelist()
    ]
    name = _chosen(sheets, sheet).part
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


class _Sheet(NamedTuple):
    """A sheet with cells; `part` is its file in the archive."""

    name: str
    part: str
    visible: bool


def _chosen(sheets: Sequence[_Sheet], wanted: str) -> _Sheet:
    """The sheet with this name, else with this number. A hidden one can only be named."""
    visible = [sheet for sheet in sheets if sheet.visible]
    if not wanted.strip():
        if not visible:
            raise FileRejected("file.empty", "The workbook has no visible sheet with cells.")
        return visible[0]
    named = [sheet for sheet in sheets if sheet.name.strip().casefold() == wanted.strip().casefold()]
    if named:
        return named[0]
    if wanted.strip() in map(str, range(1, len(visible) + 1)):
        return visible[int(wanted) - 1]
    shown = [f"{number} {sheet.name!r}" for number, sheet in enumerate(visible, 1)]
    shown += [f"{sheet.name!r} (hidden)" for sheet in sheets if not sheet.visible]
    more = f" and {len(shown) - _MOST_SHOWN} more" if len(shown) > _MOST_SHOWN else ""
    message = (
        f"The workbook has no sheet {wanted.strip()[:100]!r}. Its sheets are {', '.join(shown[:_MOST_SHOWN])}{more}."
    )
    raise FileRejected("file.sheet_missing", f"{message} Name one of them in the preset.")


def _lines(blocks: Iterable[list[SheetRow]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    width = 0
    for rows in blocks:
        for row in rows:
            # The width of the header, or of a wide row above it. A sheet has no empty cells at the end of a row.
            width = width or (len(row) if len(row) >= _PADDED_FROM else 0)
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
