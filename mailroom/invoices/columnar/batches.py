"""Reads content in batches of rows: fast where a block is plain, row by row where it is not."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from mailroom.invoices.columnar.blocks import Blocks
from mailroom.invoices.columnar.encoded import INT32_MAX, EncodedRows, Stamp
from mailroom.invoices.files import Dialect, Record, Rejected, RowError, Rules, read_records
from mailroom.invoices.files.formats.records import MAX_BLANK_BYTES, fields_of, too_much_blank
from mailroom.invoices.files.rows.invoice_rows import InvoiceReader, ReadRow
from mailroom.invoices.files.rows.set_apart import SetApart
from mailroom.invoices.model.columns import AMOUNTS
from mailroom.invoices.model.document import content_of
from mailroom.invoices.model.merge import Row

if TYPE_CHECKING:
    from mailroom.invoices.columnar.column_reader import ColumnReader, Line

_NONE: Mapping[bytes, RowError] = {}

BYTE_ORDER_MARK = "\ufeff"  # which a reader of CSV may drop

FEW_ROWS = 64
"""A last block with this many rows or fewer is read row by row: that is sooner done than loading pyarrow."""


class RowBatch(msgspec.Struct):
    """Consecutive rows of a file, each in one of the three lists. `end` is a byte to go on from, `row` the last row.

    `count` is their number. The `set_apart` rows are in no list.
    """

    offset: int
    end: int
    row: int
    stamp: Stamp
    count: int = 0
    set_apart: int = 0
    encoded: EncodedRows | None = None
    rows: list[Row] = msgspec.field(default_factory=list)
    rejected: list[Rejected] = msgspec.field(default_factory=list)

    @property
    def distinct(self) -> bool:
        """Whether the encoded rows are all of different invoices, and no other row is of one of them."""
        if self.encoded is None:
            return True
        ids = set(self.encoded.ids)
        return len(ids) == len(self.encoded) and ids.isdisjoint(row.content["_id"].binary for row in self.rows)

    @property
    def rejected_bytes(self) -> int:
        """The size of the rejected rows."""
        return sum(each.size for each in self.rejected)

    @property
    def ids(self) -> list[bytes]:
        """The invoices of the valid rows."""
        ids = list(self.encoded.ids) if self.encoded else []
        return ids + [row.content["_id"].binary for row in self.rows]

    def all_rows(self) -> list[Row]:
        """All valid rows as the row-wise path gives them, in their order."""
        encoded = self.encoded
        decoded = [encoded.decoded(index) for index in range(len(encoded))] if encoded else []
        return sorted([*self.rows, *decoded], key=lambda row: row.offset)


Refuse = Callable[[RowBatch], Mapping[bytes, RowError]]
"""Tells which invoices of a batch are refused, with all their rows, and why."""


def read_batches(
    chunks: Iterable[bytes],
    dialect: Dialect,
    rules: Rules,
    *,
    offset: int,
    row: int,
    most_rows: int,
    most_bytes: int,
    stamp: Callable[[], Stamp],
    refuse: Refuse = lambda batch: {},
) -> Generator[RowBatch, tuple[int, int] | None]:
    """Batches from byte `offset` of the content on, as `read_records`; `row` is the number of the last row before it.

    Raises FileRejected as `read_records`, but may let up to a block more of blank rows pass.
    `stamp` and `refuse` are called for each batch. It has at most `most_rows` rows, and ends after about `most_bytes`.
    Send a later offset, and the number of the row before it, to get the batch that begins there.
    """
    blocks = Blocks(chunks, offset)
    if offset == 0:
        blocks.skip(dialect.content_start)
    reader = BatchReader(dialect, rules, min(most_rows, FEW_ROWS))
    blank_from = blocks.offset
    while block := blocks.peek(most_rows, most_bytes):
        batch = reader.read(block, blocks, row, stamp(), refuse)
        blocks.take(batch.end)
        row = batch.row
        if batch.count or batch.set_apart:
            blank_from = batch.end
            if further := (yield batch):
                blank_from, row = further
                blocks.skip(blank_from - blocks.offset)
        elif batch.end - blank_from > MAX_BLANK_BYTES:
            raise too_much_blank(row)


def handles(dialect: Dialect) -> bool:
    """Whether blocks of such a file can be fast: every value has a name, and a line end is one byte.

    Rows that end with further empty fields are not plain, nor are those of a file with an amount as a constant.
    """
    unnamed = any(not column and not name.strip() for column, name in zip(dialect.columns, dialect.names, strict=True))
    return (
        not unnamed
        and not dialect.trailing
        and dialect.constants.keys().isdisjoint(AMOUNTS)
        and dialect.delimiter.isascii()
        and not dialect.encoding.startswith("utf-16")
    )


class BatchReader:
    """Chooses between the fast and the row-wise path, for one file."""

    def __init__(self, dialect: Dialect, rules: Rules, few: int) -> None:
        self._dialect = dialect
        self._rules = rules
        self._few = few if handles(dialect) and not rules.has_lines else None
        self._reader = InvoiceReader(dialect, rules)
        self._blank = b" \t\r\n" + dialect.delimiter.encode()
        self._longest = min(rules.max_record_bytes, csv.field_size_limit())

    def read(self, block: bytes, blocks: Blocks, row: int, stamp: Stamp, refuse: Refuse) -> RowBatch:
        """The batch that begins with `block`, which begins at the offset of `blocks`, after row `row`."""
        batch = self._read(block, blocks, row, stamp)
        refused = refuse(batch)
        return self.row_by_row(batch.end - batch.offset, blocks, row, stamp, refused) if refused else batch

    def _read(self, block: bytes, blocks: Blocks, row: int, stamp: Stamp) -> RowBatch:
        if self._few is None:
            return self.row_by_row(len(block), blocks, row, stamp)
        # Blank lines at the end wait for the next block. Else the row-wise path would read on for a row after them.
        text_end = len(block.rstrip(self._blank))
        line_end = block.find(b"\n", text_end) + 1 or len(block)
        if text_end == 0 and block.endswith(b"\n"):
            return RowBatch(blocks.offset, blocks.offset + len(block), row, stamp)
        batch = None
        if len(block.split(b"\n", self._few)) > self._few:
            batch = self._fast(block[:line_end], RowBatch(blocks.offset, blocks.offset, row, stamp))
        return batch or self.row_by_row(line_end, blocks, row, stamp)

    @cached_property
    def _column_reader(self) -> ColumnReader:
        from mailroom.invoices.columnar.column_reader import ColumnReader  # loads pyarrow, in tenths of a second

        return ColumnReader(self._dialect, self._rules)

    def _fast(self, block: bytes, before: RowBatch) -> RowBatch | None:
        """None when not every line is one row."""
        if not block.endswith(b"\n") or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n")):
            return None
        try:
            text = block.decode(self._dialect.encoding)
        except UnicodeDecodeError:
            return None
        end, far = before.offset + len(block), before.offset > INT32_MAX
        if (end > INT32_MAX and not far) or BYTE_ORDER_MARK in text:
            return None
        found = self._column_reader.read(block, text, before.offset, before.row)
        if found.longest > self._longest or before.row + found.count > INT32_MAX:
            return None
        batch = RowBatch(before.offset, end, before.row + found.count, before.stamp, found.count)
        for line in found.others:
            if not self.add_line(batch, line):
                return None
        batch.encoded = found.encoded(batch.stamp, far=far)
        return batch

    def add_line(self, batch: RowBatch, line: Line) -> bool:
        """Adds a line to the rows. False when it is not a row by itself, or is blank."""
        raw = line.text.rstrip("\r")
        try:
            fields = next(fields_of([raw], self._dialect), [])
        except csv.Error:
            return False
        if not any(map(str.strip, fields)):
            return False
        self._add(batch, self._reader.read_one(Record(line.row, line.offset, line.end, raw, fields)))
        return True

    def row_by_row(
        self, size: int, blocks: Blocks, row: int, stamp: Stamp, refused: Mapping[bytes, RowError] = _NONE
    ) -> RowBatch:
        """Row by row, until the first row or invoice that ends at byte `size` of the blocks or after it.

        Rows of the invoices `refused` are rejected.
        """
        batch = RowBatch(blocks.offset, blocks.offset + size, row, stamp)
        records = read_records(blocks.from_here(), self._dialect, self._rules, offset=blocks.offset, row=row)
        for read in self._reader.read(records):
            batch.count += len(read.rows)
            for row_read in read.rows:
                self._add(batch, row_read, refused)
            batch.row = read.row
            if read.end >= batch.end:
                batch.end = read.end
                break
        else:
            batch.end = blocks.end  # of the content: there is no further row
        return batch

    def _add(self, batch: RowBatch, read: ReadRow, refused: Mapping[bytes, RowError] = _NONE) -> None:
        result = read.result
        if isinstance(result, SetApart):
            batch.count -= 1
            batch.set_apart += 1
            return
        if isinstance(result, Rejected):
            batch.rejected.append(result)
            return
        content = content_of(result)
        if error := refused.get(content["_id"].binary):
            batch.rejected.append(Rejected(read.row, read.offset, read.raw, (error,)))
        else:
            place = f"{batch.stamp.order_prefix}{read.offset:012x}"
            batch.rows.append(Row(read.offset, read.row, place, content))
