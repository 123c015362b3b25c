"""Reads content in batches of rows: fast where a block is plain, row by row where it is not."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from mailroom.invoices.content import content_of
from mailroom.invoices.fast.blocks import Blocks
from mailroom.invoices.fast.columns import Columns, handles
from mailroom.invoices.fast.documents import INT32_MAX, Ready, Stamp, documents
from mailroom.invoices.merge import Row
from mailroom.invoices.parsing import Dialect, Malformed, Record, Rejected, RowParser, Rules, read_records
from mailroom.invoices.parsing.records import MAX_BLANK_BYTES, too_much_blank


@dataclass
class Batch:
    """Consecutive rows of a file: each is in one of the three lists. `end` is a byte to go on from, `row` the last."""

    offset: int
    end: int
    row: int
    stamp: Stamp
    count: int = 0
    ready: list[Ready] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    @property
    def distinct(self) -> bool:
        """Whether the ready rows are all of different invoices, and no other row is of one of them."""
        ids = {each.id for each in self.ready}
        return len(ids) == len(self.ready) and ids.isdisjoint(row.content["_id"].binary for row in self.rows)

    def all_rows(self) -> list[Row]:
        """All valid rows as the row-wise path gives them, in their order."""
        return sorted([*self.rows, *(each.decoded() for each in self.ready)], key=lambda row: row.offset)


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
) -> Iterator[Batch]:
    """Batches from byte `offset` of the content on, as `read_records`; `row` is the number of the last row before it.

    Raises FileRejected as `read_records`; of blank rows, up to a block more may be let pass.
    `stamp` is called for each batch. A batch has at most `most_rows` rows, and ends after about `most_bytes`.
    """
    blocks = Blocks(chunks, offset)
    if offset == 0:
        blocks.skip(dialect.content_start)
    reader = _Reader(dialect, rules)
    blank_from = blocks.offset
    while block := blocks.peek(most_rows, most_bytes):
        batch = reader.read(block, blocks, row, stamp())
        blocks.take(batch.end)
        row = batch.row
        if batch.count:
            blank_from = batch.end
            yield batch
        elif batch.end - blank_from > MAX_BLANK_BYTES:
            raise too_much_blank(row)


class _Reader:
    """Both paths for one file."""

    def __init__(self, dialect: Dialect, rules: Rules) -> None:
        self._dialect = dialect
        self._rules = rules
        self._parser = RowParser(dialect, rules)
        self._columns = Columns(dialect, rules) if handles(dialect) else None
        self._blank = b" \t\r\n" + dialect.delimiter.encode()

    def read(self, block: bytes, blocks: Blocks, row: int, stamp: Stamp) -> Batch:
        """The batch that begins with `block`, which begins at the offset of `blocks`, behind the row `row`."""
        columns = self._columns
        if columns is None:
            return self._slow(len(block), blocks, row, stamp)
        # Blank lines at the end are left to later, lest the row-wise path reads on until it finds a row behind them.
        text_end = len(block.rstrip(self._blank))
        line_end = block.find(b"\n", text_end) + 1 or len(block)
        if text_end == 0 and block.endswith(b"\n"):
            return Batch(blocks.offset, blocks.offset + len(block), row, stamp)
        plain = self._split(block[:line_end])
        before = Batch(blocks.offset, blocks.offset, row, stamp)
        batch = self._fast(plain, columns, before) if plain else None
        return batch or self._slow(line_end, blocks, row, stamp)

    def _split(self, block: bytes) -> tuple[list[int], list[str], list[list[str]]] | None:
        """The lengths and the texts of the lines of a block, and their fields; None when not every line is one row."""
        if not block.endswith(b"\n") or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n")):
            return None
        sizes = [len(line) + 1 for line in block[:-1].split(b"\n")]
        if max(sizes) > self._rules.max_record_bytes:
            return None
        try:
            lines = block[:-1].decode(self._dialect.encoding).split("\n")
            rows = list(self._csv(lines))
        except (UnicodeDecodeError, csv.Error):
            return None
        # A row that goes on in the next line leaves fewer rows than lines.
        return (sizes, lines, rows) if len(rows) == len(lines) else None

    def _csv(self, lines: list[str]) -> Iterator[list[str]]:
        doubled = self._dialect.quoting == "doubled"
        escape = None if doubled else "\\"
        return csv.reader(lines, delimiter=self._dialect.delimiter, strict=True, doublequote=doubled, escapechar=escape)

    def _fast(
        self, block: tuple[list[int], list[str], list[list[str]]], columns: Columns, before: Batch
    ) -> Batch | None:
        """None when a row is blank, and so is none."""
        sizes, lines, rows = block
        offsets = list(accumulate(sizes, initial=before.offset))
        batch = Batch(before.offset, offsets.pop(), before.row + len(rows), before.stamp, count=len(rows))
        far = batch.offset > INT32_MAX
        if (batch.end > INT32_MAX and not far) or batch.row > INT32_MAX:
            return None
        numbers = range(before.row + 1, batch.row + 1)
        plain, others = columns.pieces(rows, offsets, numbers)
        batch.ready = documents(plain, batch.stamp, far=far)
        for index in others:
            if not any(map(str.strip, rows[index])):
                return None
            raw = lines[index].rstrip("\r")
            end = offsets[index] + sizes[index]
            self._add(batch, Record(numbers[index], offsets[index], end, raw, rows[index]))
        return batch

    def _slow(self, size: int, blocks: Blocks, row: int, stamp: Stamp) -> Batch:
        """Row by row, until the first row that ends at the end of the block or behind it."""
        batch = Batch(blocks.offset, blocks.offset + size, row, stamp)
        records = read_records(blocks.from_here(), self._dialect, self._rules, offset=blocks.offset, row=row)
        for record in records:
            self._add(batch, record)
            batch.count += 1
            batch.row = record.row
            if record.end >= batch.end:
                batch.end = record.end
                break
        else:
            batch.end = blocks.end  # of the content: there is no further row
        return batch

    def _add(self, batch: Batch, record: Record | Malformed) -> None:
        parsed = self._parser.parse(record)
        if isinstance(parsed, Rejected):
            batch.rejected.append(parsed)
        else:
            place = f"{batch.stamp.order_prefix}{record.offset:012x}"
            batch.rows.append(Row(record.offset, record.row, place, content_of(parsed)))
