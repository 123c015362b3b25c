"""Reading invoice files: pure functions from bytes to invoices. No storage, no settings, no clock.

head ─► detect ─► Dialect
object ─► content ─► read_records ─► RowParser.parse ─► Invoice | Rejected ─► rejects_line
"""

from mailroom.invoices.files.compression import content, decompress
from mailroom.invoices.files.detection import HEAD_BYTES, detect
from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.records import read_records
from mailroom.invoices.files.rejects import rejects_header, rejects_line
from mailroom.invoices.files.rows import RowParser
from mailroom.invoices.files.rules import (
    COLUMNS,
    REQUIRED,
    FileRejected,
    Invoice,
    Malformed,
    Problem,
    Record,
    Rejected,
    Rules,
)
from mailroom.invoices.files.workbooks import held_workbook, is_workbook, sheet_content

__all__ = [
    "COLUMNS",
    "HEAD_BYTES",
    "REQUIRED",
    "Dialect",
    "FileRejected",
    "Invoice",
    "Malformed",
    "Problem",
    "Record",
    "Rejected",
    "RowParser",
    "Rules",
    "content",
    "decompress",
    "detect",
    "held_workbook",
    "is_workbook",
    "read_records",
    "rejects_header",
    "rejects_line",
    "sheet_content",
]
