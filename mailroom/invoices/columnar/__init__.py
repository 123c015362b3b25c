"""The importer's fast path: whole blocks of lines become ready BSON documents, column by column.

The row-wise path (`RowParser`, `content_of`, `merge`) is the definition. What a block or a row has that the fast
path does not handle goes through it, and tests show that both give the same documents, byte for byte, and the same
rejects. Nothing here is imported by it.

    chunks ─► Blocks ─┬─ plain lines ─► Columns ─┬─ plain rows ─► Documents ─► Batch.ready
                      │                          └─ other rows ─► RowParser ─► Batch.rows, Batch.rejected
                      └─ anything else ─► read_records ─► RowParser ─────────► Batch.rows, Batch.rejected
"""

from mailroom.invoices.columnar.batches import Batch, read_batches
from mailroom.invoices.columnar.encoded import Ready, Stamp

__all__ = ["Batch", "Ready", "Stamp", "read_batches"]
