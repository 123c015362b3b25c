"""Reads lines of plain rows column by column.

A row that is not plain is left to `RowParser`. It accepts every row that is accepted here, with the same result.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from datetime import date
from functools import partial, reduce
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from mailroom.invoices.columnar import documents
from mailroom.invoices.columnar.amount_columns import DIGITS, MOST_DIGITS, AmountColumns
from mailroom.invoices.columnar.bson_columns import BINARY, Repeated
from mailroom.invoices.columnar.documents import InvoiceColumns
from mailroom.invoices.columnar.encoded import EncodedRows, Stamp
from mailroom.invoices.files import Dialect, Rules
from mailroom.invoices.files.rows.document_kinds import kind_of, kind_places
from mailroom.invoices.files.values.amounts import is_nonzero
from mailroom.invoices.files.values.cache import ValueCache
from mailroom.invoices.files.values.currencies import read_currency
from mailroom.invoices.files.values.dates import date_reader
from mailroom.invoices.model.columns import AMOUNTS, COLUMNS, EXTRA_TEXT, TEXTS, VAT_RATE, TextRule
from mailroom.invoices.model.statuses import Statuses
from mailroom.invoices.model.texts import BadValue, read_text

# One thread: a function has a fraction of a core, and the processor time is what counts. The pool of the system gives
# memory back, so that a worker stays as small as its batches.
pa.set_cpu_count(1)
pa.set_memory_pool(pa.system_memory_pool())

_MOST_TOLERANCE = 10**18  # more than any sum of amounts

# All other columns have few different values. Each value is read once a block.
_REPEATED = pa.dictionary(pa.int32(), pa.string())
_TYPES = {"invoiceNumber": pa.string(), **dict.fromkeys(AMOUNTS, pa.float64())}


class Line(NamedTuple):
    """A line that is no plain row. `offset` and `end` are bytes of the content."""

    row: int
    offset: int
    end: int
    text: str


class ReadLines(msgspec.Struct, frozen=True):
    """What whole lines hold. `longest` is the size of the longest of the `count` lines, in bytes with its end."""

    plain: InvoiceColumns
    others: list[Line]
    count: int
    longest: int

    def encoded(self, stamp: Stamp, *, far: bool) -> EncodedRows | None:
        """The plain rows as documents."""
        return documents.encoded(self.plain, stamp, far=far) if len(self.plain.row) else None


class ColumnReader:
    """Reads blocks of one file, by the same grammars as the row-wise path."""

    def __init__(self, dialect: Dialect, rules: Rules) -> None:
        self._utf8 = dialect.encoding in ("utf-8", "ascii")
        self._line = _line(dialect)
        self._at = {column: str(index) for index, column in enumerate(dialect.columns) if column}
        self._constants = dialect.constants
        self._header_currency = dialect.header_currency
        self._amounts = AmountColumns(dialect)
        self._read_date = date_reader(dialect)
        self._statuses = Statuses(rules.statuses)
        self._status_required = rules.status_required and "status" in dialect.columns
        self._tolerance = min(int(rules.amount_tolerance * 10**DIGITS), _MOST_TOLERANCE)
        self._days = self._cache("invoiceDate", self._day)
        self._suppliers = self._cache("supplierName", _supplier)
        self._addresses = self._cache("supplierAddress", partial(_text, "supplierAddress", TEXTS["supplierAddress"]))
        self._states = self._cache("status", self._status)
        self._currencies = self._cache("currency", self._currency)
        kinds = {index: dialect.names[index] for index in kind_places(dialect, rules)}
        further = self._amounts.further(dialect.columns)
        self._extra = {
            column: ValueCache(partial(_extra_text, name, kind=kinds.get(index, ""), further=index in further))
            for index, column, name in dialect.extra_columns
        }
        self._status_kind = next((kinds[at] for at in kinds if dialect.columns[at] == "status"), "")
        self._reading = csv.ReadOptions(
            use_threads=False, column_names=[str(index) for index in range(len(dialect.columns))]
        )
        self._parsing = csv.ParseOptions(
            delimiter=dialect.delimiter, double_quote=dialect.quoting == "doubled", ignore_empty_lines=False
        )
        self._converting = csv.ConvertOptions(
            check_utf8=False,  # the caller did
            column_types={at: _TYPES.get(column, _REPEATED) for column, at in self._at.items()},
            decimal_point=dialect.decimal_mark or ".",
            include_columns=list(self._at.values()),
            strings_can_be_null=False,
            quoted_strings_can_be_null=False,
        )

    def read(self, block: bytes, text: str, offset: int, row: int) -> ReadLines:
        """What is in whole lines: `block` begins at byte `offset`, after row `row`, and decodes to `text`."""
        utf8 = block if self._utf8 else text.encode()
        lines = _split(utf8, pa.string())
        raw = lines if self._utf8 else _split(block, BINARY)
        sizes = pc.cast(pc.add(pc.binary_length(raw), 1), pa.int64())
        ends = pc.cumulative_sum(sizes, offset)
        offsets, rows = pc.subtract(ends, sizes), pa.arange(row + 1, row + 1 + len(lines))
        plain = self._plain(utf8, lines, offsets, rows)
        others: list[Line] = []
        if len(plain.row) < len(lines):
            rest = pc.invert(pc.is_in(rows, plain.row))
            columns = (pc.filter(each, rest).to_pylist() for each in (rows, offsets, ends, lines))
            others = [Line(*each) for each in zip(*columns, strict=True)]
        return ReadLines(plain, others, len(lines), pc.max(sizes).as_py())

    def _plain(self, utf8: bytes, lines: pa.Array, offsets: pa.Array, rows: pa.Array) -> InvoiceColumns:
        """The plain rows among the `lines` of `utf8`, which begin at `offsets` and have the numbers `rows`."""
        whole = pc.match_substring_regex(lines, self._line)
        content = pa.py_buffer(utf8)
        if whole.false_count:
            lines, offsets, rows = (pc.filter(each, whole) for each in (lines, offsets, rows))
            content = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")[0].as_buffer()
        texts = self._texts(content, len(lines))
        amounts, checks = self._amounts.read(texts)
        day, year = _columns(texts["invoiceDate"], self._days, 2)
        supplier, supplier_lookup, identity = _columns(texts["supplierName"], self._suppliers, 3)
        (address,) = _columns(texts["supplierAddress"], self._addresses, 1)
        currency, currency_lookup = _columns(texts["currency"], self._currencies, 2)
        status, status_lookup = _columns(texts["status"], self._states, 2)
        extra = [_columns(texts[column], values, 1)[0] for column, values in self._extra.items()]
        number = pc.cast(texts["invoiceNumber"], BINARY)
        if not self._amounts.derived:
            checks.append(pc.less_equal(pc.abs(reduce(pc.subtract, amounts)), self._tolerance))
        checks = [
            *checks,
            pc.less_equal(pc.binary_length(number), TEXTS["invoiceNumber"].max_characters),
            *(column.known for column in (day, supplier, address, currency, status, *extra)),
        ]
        plain = reduce(pc.and_, (each for each in checks if each is not None))
        found = InvoiceColumns(
            number, day, year, amounts, supplier, supplier_lookup, identity, address,
            currency, currency_lookup, status, status_lookup, extra, self._amounts.derived, offsets, rows,
        )  # fmt: skip
        return found.filter(plain) if plain.false_count else found

    def _texts(self, content: pa.Buffer, count: int) -> dict[str, pa.Array]:
        """The columns of `count` whole lines: amounts as floats, else texts. A column that the file lacks is empty."""
        columns: dict[str, pa.Array] = {}
        if count:
            self._reading.block_size = content.size + 1
            table = csv.read_csv(pa.BufferReader(content), self._reading, self._parsing, self._converting)
            if table.num_rows != count:
                raise AssertionError("lines that were found whole are not one row each")
            columns = {column: table[at].combine_chunks() for column, at in self._at.items()}
        for column in {*COLUMNS, VAT_RATE, *self._extra}.difference(columns, self._amounts.derived):
            columns[column] = pc.cast(pa.repeat("", count), _TYPES.get(column, _REPEATED))
        return columns

    def _cache(self, column: str, read: Callable[[str], Any]) -> ValueCache[Any]:
        """Reads the texts of a column. A constant fills the empty ones."""
        constant = self._constants.get(column)
        if constant is None:
            return ValueCache(read)
        return ValueCache(lambda text: read(text if text.strip() else constant))

    def _day(self, text: str) -> tuple[bytes, bytes] | None:
        value = self._read_date(text)
        return documents.day(value) if isinstance(value, date) else None

    def _status(self, text: str) -> tuple[bytes, bytes] | None:
        value = self._statuses.read(text, required=self._status_required)
        if self._status_kind and kind_of(text, self._status_kind):
            return None
        return None if isinstance(value, BadValue) else documents.word("status", value)

    def _currency(self, text: str) -> tuple[bytes, bytes] | None:
        value = read_currency(text, self._header_currency, self._constants.get("currency", ""))
        return None if isinstance(value, BadValue) or value[1] != DIGITS else documents.word("currency", value[0])


def _split(text: bytes, type_: pa.DataType) -> pa.Array:
    """The lines of `text`, which ends with a line end, without theirs."""
    ends = pa.py_buffer(array("i", (0, len(text) - 1)))
    whole = pa.Array.from_buffers(type_, 1, [None, ends, pa.py_buffer(text)])
    return pc.split_pattern(whole, "\n").values


def _line(dialect: Dialect) -> str:
    """The pattern of a line that every reader of CSV splits into the same fields.

    Each field is wholly quoted or has no quote. The amounts and the number are plain too: that costs less here
    than a check of each column. In a guarded file no field has an apostrophe: so none is guarded.
    """
    delimiter = f"\\x{ord(dialect.delimiter):02x}"
    guard = "'" if dialect.guarded else ""
    if dialect.quoting == "doubled":
        field = rf'(?:"(?:[^"\x00{guard}]|"")*"|[^"{delimiter}\x00\r{guard}]*)'
    else:
        field = rf'(?:"[^"\\\x00{guard}]*"|[^"\\{delimiter}\x00\r{guard}]*)'
    mark, zeros = dialect.decimal_mark or ".", "0{0,4}" if dialect.decimal_mark else ""
    amount = rf"-?[0-9]{{1,{MOST_DIGITS}}}{re.escape(mark)}[0-9]{{{DIGITS}}}{zeros}"
    if dialect.minor_units:
        amount = rf"-?[0-9]{{1,{MOST_DIGITS + DIGITS}}}"
    fields = {
        "invoiceNumber": f"""(?:"{_number(but="'")}"|{_number(but=dialect.delimiter + "'")})""",
        **dict.fromkeys(AMOUNTS, f'"{amount}"' if mark == dialect.delimiter else f'(?:"{amount}"|{amount})'),
    }
    return f"^{delimiter.join(fields.get(column, field) for column in dialect.columns)}\r?$"


def _number(but: str) -> str:
    """A number in ASCII without quotes, backslashes and the characters `but`, and without spaces around it."""
    visible = "".join(f"\\x{code:02x}" for code in range(0x21, 0x7F) if chr(code) not in '"\\' + but)
    space = "" if " " in but else " "
    return f"[{visible}](?:[{space}{visible}]*[{visible}])?"


def _columns(texts: pa.Array, values: ValueCache[Any], count: int) -> list[Repeated]:
    """The `count` columns of bytes that a column of texts gives. Each different text is read once."""
    made = [values[text] or (None,) * count for text in texts.dictionary.to_pylist()]
    return [Repeated([each[at] for each in made], texts.indices) for at in range(count)]


def _supplier(text: str) -> tuple[bytes, bytes, bytes] | None:
    value = read_text(text, TEXTS["supplierName"])
    return None if isinstance(value, BadValue) else documents.supplier(value)


def _extra_text(name: str, text: str, *, kind: str, further: bool) -> tuple[bytes] | None:
    """None where the row-wise path has to judge the row. `kind` is the column's name, if it says a document's kind."""
    if (kind and kind_of(text, kind)) or (further and is_nonzero(text)):
        return None
    return _text(name, EXTRA_TEXT, text)


def _text(name: str, rule: TextRule, text: str) -> tuple[bytes] | None:
    value = read_text(text, rule)
    return None if isinstance(value, BadValue) else (documents.text(name, value),)
