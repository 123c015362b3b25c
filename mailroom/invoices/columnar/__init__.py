"""The importer's fast path: whole blocks of lines become ready BSON documents, column by column.

The row-wise path (`InvoiceReader`, `content_of`, `merge`) is the definition. Every block and every row that the fast
path does not handle takes the row-wise path. Tests show that both give the same documents, byte for byte, and the same
rejects.

    bytes ─► Blocks ─┬─ plain lines ─► ColumnReader ─┬─ plain rows ─► documents ─► RowBatch.encoded
                     │                               └─ other rows ─► InvoiceReader ─► RowBatch.rows, RowBatch.rejected
                     └─ anything else ─► read_records ─► InvoiceReader ──────────► RowBatch.rows, RowBatch.rejected
"""

from mailroom.invoices.columnar.batches import Refuse, RowBatch, read_batches
from mailroom.invoices.columnar.encoded import EncodedRows, Stamp

__all__ = ["EncodedRows", "Refuse", "RowBatch", "Stamp", "read_batches"]
