"""Reading invoice files: pure functions from bytes to invoices. No storage, no settings, no clock.

head ─► detect ─► Dialect
object ─► content ─► read_records ─► InvoiceReader ─► ParsedInvoice | Rejected | SetApart ─► rejects_line
"""

from mailroom.invoices.files.detection import HEAD_BYTES, detect
from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import FileRejected, RowError
from mailroom.invoices.files.formats.compression import content, decompress
from mailroom.invoices.files.formats.records import Malformed, Record, read_records
from mailroom.invoices.files.formats.workbooks import held_workbook, is_workbook, sheet_content
from mailroom.invoices.files.rejects import Rejected, rejects_header, rejects_line
from mailroom.invoices.files.rows.row_parser import RowParser
from mailroom.invoices.files.rules import Rules

__all__ = [
    "HEAD_BYTES",
    "Dialect",
    "FileRejected",
    "Malformed",
    "Record",
    "Rejected",
    "RowError",
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
