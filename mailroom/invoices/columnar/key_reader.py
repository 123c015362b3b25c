"""Finds the rows of a file that may be of one invoice: a key of 64 bits for each row, from its identity alone.

Rows of one invoice have the same key; so do very few others. Blocks are split by pyarrow, which reads three columns.
A line that it might split in another way than `RowParser` takes the row-wise path.

Both split a line in the same way if it has no broken quote, and no space before a quote: there, only the row-wise path
sees the beginning of a quoted field. A line with a broken quote is rejected, so its key only costs a look.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from mailroom.invoices.columnar.batches import BatchReader, RowBatch, handles
from mailroom.invoices.columnar.blocks import Blocks
from mailroom.invoices.columnar.column_reader import Line
from mailroom.invoices.columnar.compared import ComparedRow, compared_rows
from mailroom.invoices.columnar.encoded import Stamp
from mailroom.invoices.columnar.keys import KEY, LONGEST_NUMBER, are_in, hash_of, keys_of, keys_of_columns
from mailroom.invoices.files import Dialect, RowParser, Rules
from mailroom.invoices.files.values.cache import ValueCache
from mailroom.invoices.model.identity import Identity

# Of a block. Most have fewer: to look for the end of a line takes time.
_MOST_LINES = 1 << 14
# Of a block whose rows are read one by one: each takes a kilobyte meanwhile.
_MOST_ROWS_FOUND = 1 << 12
_IDENTITY = ("invoiceNumber", "invoiceDate", "supplierName")
_REPEATED = pa.dictionary(pa.int32(), pa.binary())


class RowKeys(msgspec.Struct, frozen=True):
    """The keys of the rows up to byte `end` of the content; `row` is the last row."""

    end: int
    row: int
    keys: pa.Array


class FoundRows(msgspec.Struct, frozen=True):
    """The rows with certain keys, up to byte `end` of the content; `row` is the last row."""

    end: int
    row: int
    rows: list[ComparedRow]


def read_keys(
    chunks: Iterable[bytes], dialect: Dialect, rules: Rules, stamp: Stamp, *, offset: int, row: int, block: int
) -> Iterator[RowKeys]:
    """The keys of all rows whose invoice can be told, from byte `offset` of the content on, in blocks of some bytes.

    Raises FileRejected as `read_records`.
    """
    reader = KeyReader(dialect, rules)
    for content, blocks in _blocks(chunks, dialect, offset, block):
        found = reader.read(content, blocks, row, stamp)
        row = found.row
        yield found
        blocks.take(found.end)


def read_rows(
    chunks: Iterable[bytes],
    dialect: Dialect,
    rules: Rules,
    stamp: Stamp,
    *,
    offset: int,
    row: int,
    block: int,
    wanted: pa.Array,
) -> Iterator[FoundRows]:
    """The rows with the keys `wanted`, which are in order, as `read_keys`."""
    reader = KeyReader(dialect, rules)
    for content, blocks in _blocks(chunks, dialect, offset, block, _MOST_ROWS_FOUND):
        keys = reader.read(content, blocks, row, stamp)
        found = FoundRows(keys.end, keys.row, [])
        if pc.any(are_in(keys.keys, wanted)).as_py():
            found = reader.rows(keys.end - blocks.offset, blocks, row, stamp, wanted)
        end, row = found.end, found.row
        yield found
        del found  # before the next block is read
        blocks.take(end)


def _blocks(
    chunks: Iterable[bytes], dialect: Dialect, offset: int, size: int, lines: int = _MOST_LINES
) -> Iterator[tuple[bytes, Blocks]]:
    blocks = Blocks(chunks, offset)
    if offset == 0:
        blocks.skip(dialect.content_start)
    while content := blocks.peek(lines, size):
        yield content, blocks


class KeyReader:
    """Makes the keys of the rows of one file."""

    def __init__(self, dialect: Dialect, rules: Rules) -> None:
        self._batches = BatchReader(dialect, rules, few=0)
        self._add_up = rules.line_items == "addUp"
        self._columns = _Columns(dialect, rules) if _is_plain(dialect, rules) else None

    def read(self, block: bytes, blocks: Blocks, row: int, stamp: Stamp) -> RowKeys:
        """The keys of the rows that begin in `block`, which begins at the offset of `blocks`, after row `row`."""
        fast = self._fast(block, blocks.lines, blocks.offset, row, stamp)
        return fast or self._slow(len(block), blocks, row, stamp)

    def rows(self, size: int, blocks: Blocks, row: int, stamp: Stamp, wanted: pa.Array) -> FoundRows:
        """The rows with the keys `wanted` in the first `size` bytes of the blocks."""
        batch = self._batches.row_by_row(size, blocks, row, stamp)
        rows = list(compared_rows(batch, add_up=self._add_up))
        is_wanted = are_in(keys_of(_identities(batch)), wanted).to_pylist()
        return FoundRows(batch.end, batch.row, [each for each, found in zip(rows, is_wanted, strict=True) if found])

    def _slow(self, size: int, blocks: Blocks, row: int, stamp: Stamp) -> RowKeys:
        batch = self._batches.row_by_row(size, blocks, row, stamp)
        return RowKeys(batch.end, batch.row, keys_of(_identities(batch)))

    def _fast(self, block: bytes, lines: int, offset: int, row: int, stamp: Stamp) -> RowKeys | None:
        """None when not every line is one row. `lines` of the block have a line end."""
        found = self._columns.read(block, lines) if self._columns else None
        if found is None:
            return None
        batch = RowBatch(offset, offset + len(block), row, stamp)
        if found.others:
            texts = found.utf8.split(b"\n")
            for index in found.others:
                try:
                    line = Line(row + index + 1, offset, offset, texts[index].decode())
                except UnicodeDecodeError:
                    return None
                if not self._batches.add_line(batch, line):
                    return None
        keys = pa.concat_arrays([found.keys, keys_of(_identities(batch))])
        return RowKeys(batch.end, row + found.count, keys)


class _Block(msgspec.Struct, frozen=True):
    """A block of `count` lines: the keys of plain rows, and the indexes of the other lines."""

    utf8: bytes
    count: int
    keys: pa.Array
    others: list[int]


class _Columns:
    """Reads the three columns of blocks in which every line is one row."""

    def __init__(self, dialect: Dialect, rules: Rules) -> None:
        parser = RowParser(dialect, rules)
        self._encoding = dialect.encoding
        at = {column: str(index) for index, column in enumerate(dialect.columns)}
        self._number, self._date, self._supplier = (at.get(column) for column in _IDENTITY)
        unclear = '"' + ("'" if dialect.guarded else "")
        constants = dialect.constants
        self._years = ValueCache(_reader_of(parser.year, unclear, constants.get("invoiceDate", "")))
        self._suppliers = ValueCache(_reader_of(parser.supplier, unclear, constants.get("supplierName", "")))
        visible = bytes(code for code in range(0x21, 0x7F) if chr(code) not in "\"'")
        self._visible = visible
        characters = "".join(f"\\x{code:02x}" for code in visible)
        self._is_plain = f"^[{characters}](?:[ {characters}]*[{characters}])?$"
        self._spaced_quote = re.compile(rb'(?:^|[\n\x%02x]) +"' % ord(dialect.delimiter))
        self._doubled = dialect.quoting == "doubled"
        names = [str(index) for index in range(len(dialect.columns))]
        # A quote that is still open at the end of a block takes this line in: then there is a row less.
        self._last = (dialect.delimiter.join("x" * len(names)) + "\n").encode()
        self._reading = csv.ReadOptions(use_threads=False, column_names=names)
        self._parsing = csv.ParseOptions(
            delimiter=dialect.delimiter, double_quote=self._doubled, ignore_empty_lines=False
        )
        self._converting = csv.ConvertOptions(
            check_utf8=False,
            include_columns=[each for each in (self._number, self._date, self._supplier) if each],
            column_types={
                each: pa.string() if each == self._number else _REPEATED
                for each in (self._number, self._date, self._supplier)
                if each
            },
            strings_can_be_null=False,
            quoted_strings_can_be_null=False,
        )

    def read(self, block: bytes, lines: int) -> _Block | None:
        """None when a line may not be one row. `lines` have a line end; only the last of the content may have none."""
        open_end = lines > 0 and not block.endswith(b"\n")
        utf8 = self._utf8(block + b"\n" if open_end else block)
        if utf8 is None:
            return None
        count = lines + open_end
        content = utf8 + self._last
        self._reading.block_size = len(content) + 1
        try:
            table = csv.read_csv(pa.BufferReader(content), self._reading, self._parsing, self._converting)
        except pa.ArrowInvalid:  # a line has not as many fields as the header
            return None
        if table.num_rows != count + 1:
            return None
        number = table[self._number].combine_chunks().slice(0, count)
        date = _looked_up(table, self._date, self._years).slice(0, count)
        rest = pc.add(date, _looked_up(table, self._supplier, self._suppliers).slice(0, count))
        others: list[int] = []
        plain = self._plain(number)
        known = pc.is_valid(rest) if plain is None else pc.and_(plain, pc.is_valid(rest))
        if known.false_count:
            others = pc.indices_nonzero(pc.invert(known)).to_pylist()
            number, rest = pc.filter(number, known), pc.filter(rest, known)
        return _Block(utf8, count, keys_of_columns(number, rest), others)

    def _utf8(self, block: bytes) -> bytes | None:
        """The text in UTF-8; None when it has what readers of CSV take differently."""
        if not block.endswith(b"\n") or b"\0" in block or (b"\\" in block and not self._doubled):
            return None
        if b"\r" in block and block.count(b"\r") != block.count(b"\r\n"):
            return None
        if self._encoding not in ("utf-8", "ascii"):
            try:
                block = block.decode(self._encoding).encode()
            except UnicodeDecodeError:
                return None
        if block.startswith(b"\xef\xbb\xbf") or (b' "' in block and self._spaced_quote.search(block)):
            return None
        return block

    def _plain(self, numbers: pa.Array) -> pa.Array | None:
        """For each number whether it has only visible characters of ASCII, and spaces within. None: all have."""
        lengths = pc.min_max(pc.binary_length(numbers)).as_py()
        if lengths["min"] and lengths["max"] <= LONGEST_NUMBER:
            characters = numbers.buffers()[2].to_pybytes()
            if not characters.translate(None, self._visible):
                return None
        short = pc.less_equal(pc.binary_length(numbers), LONGEST_NUMBER)
        return pc.and_(short, pc.match_substring_regex(numbers, self._is_plain))


def _is_plain(dialect: Dialect, rules: Rules) -> bool:
    """Whether each line of a block may be a row by itself, with all that makes its identity."""
    has_all = set(_IDENTITY) <= {*dialect.columns, *dialect.constants} and "invoiceNumber" in dialect.columns
    return has_all and handles(dialect) and not rules.has_lines


def _identities(batch: RowBatch) -> list[Identity]:
    """Of the rows of a batch that was read row by row, in the order of `compared_rows`."""
    contents = (row.content for row in batch.rows)
    good = [Identity(each["supplierKey"], each["invoiceNumber"], each["invoiceDate"].year) for each in contents]
    return good + [bad.identity for bad in batch.rejected if bad.identity]


def _looked_up(table: pa.Table, column: str | None, values: ValueCache[int | None]) -> pa.Array:
    """The value of each row. Each different text is read once. A column that the file lacks has empty texts."""
    if column is None:
        return pa.repeat(pa.scalar(values[""], KEY), table.num_rows)
    texts = table[column].combine_chunks()
    found = [values[text.decode(errors="replace")] for text in texts.dictionary.to_pylist()]
    return pc.take(pa.array(found, KEY), texts.indices)


def _reader_of(read: Callable[[str], object], unclear: str, constant: str) -> Callable[[str], int | None]:
    """Reads a text, or the `constant` if it is empty; None where it has a character of `unclear` or cannot be read."""

    def value_of(text: str) -> int | None:
        value = None if any(each in text for each in unclear) else read(text if text.strip() else constant)
        return None if value is None else hash_of(value)

    return value_of
