"""Reading invoice files: pure functions from bytes to invoices. No storage, no settings, no clock.

head ─► detect ─► Dialect
object ─► content ─► read_records ─► RowParser.parse ─► Invoice | Rejected ─► rejects_line
"""

from mailroom.invoices.parsing.compression import content, decompress
from mailroom.invoices.parsing.detection import HEAD_BYTES, detect
from mailroom.invoices.parsing.dialect import Dialect
from mailroom.invoices.parsing.model import (
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
from mailroom.invoices.parsing.records import read_records
from mailroom.invoices.parsing.rejects import rejects_header, rejects_line
from mailroom.invoices.parsing.rows import RowParser
from mailroom.invoices.parsing.workbooks import held_workbook, is_workbook, sheet_content

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
