"""Which rows go into a file of corrections, and what they are then. Pure: no database, no clock.

Rows of one invoice are only right together: a file with half of them would be imported as the whole invoice. So a
corrected row takes along every other rejected row of the invoice that it names then. Where rows are added up, a row
that cannot be read may be a line of the invoice beside it, so these stay together too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from bson import ObjectId

from mailroom.errors import Invalid
from mailroom.invoices.files import Dialect, Record, Rejected, RowParser, Rules
from mailroom.invoices.files.rejects import added_columns
from mailroom.invoices.files.rows.row_parser import identity_of
from mailroom.invoices.rejected.cells import CellColumn, CellRow, columns_of, rows_of

MOST_ROWS = 10_000
"""Of a file of corrections."""

_BROKEN = frozenset(
    {"row.quoting", "row.unterminated_quote", "row.too_large", "row.encoding", "row.field_count", "row.continuation"}
)
"""Reasons against rows that may be lines of the invoice beside them."""


class Correction(msgspec.Struct, frozen=True):
    """A row as it should be: the cells that change, by the keys of their columns. `drop` leaves the row out."""

    row: int
    values: Mapping[str, Any]
    drop: bool = False


class NewRow(msgspec.Struct, frozen=True):
    """A row of the new file. `row` is its number in the first one; `cells` are those of its own columns."""

    row: int
    cells: Sequence[str]


class _Known(msgspec.Struct):
    """A rejected invoice: the place of its rows, and what it is."""

    offset: int
    row: int
    last: int
    invoices: frozenset[ObjectId]
    broken: bool


class CorrectedRows:
    """The rejected rows of an import with corrections. Raises `Invalid` for a correction of a row that is none."""

    def __init__(
        self, dialect: Dialect, rules: Rules, rejected: Iterable[Rejected], corrections: Sequence[Correction]
    ) -> None:
        self._dialect = dialect
        self._has_lines = rules.has_lines
        self._parser = RowParser(dialect, rules)
        self._own = added_columns(dialect.names)
        self._columns = columns_of(dialect)
        self._places = _places(corrections)
        self._corrections = {each.row: each for each in corrections}
        self.dropped = {each.row for each in corrections if each.drop}
        self._known: list[_Known] = []
        self._changed: dict[int, list[NewRow]] = {}
        self._read(rejected)

    def offsets(self) -> list[int]:
        """The offsets of the rejected invoices that the file needs besides the corrected ones."""
        wanted = {known.offset for known in self._known if known.offset in self._changed}
        chains = list(self._chains())
        while True:
            invoices = frozenset[ObjectId]().union(*(each.invoices for each in self._known if each.offset in wanted))
            more = {each.offset for each in self._known if not invoices.isdisjoint(each.invoices)}
            more |= {offset for chain in chains if not chain.isdisjoint(wanted | more) for offset in chain}
            if more <= wanted:
                return sorted(wanted - self._changed.keys())
            wanted |= more

    def rows(self, others: Iterable[Rejected]) -> list[NewRow]:
        """All rows of the file in their order. `others` are the invoices at `offsets`. Raises `Invalid`."""
        found = [row for rows in self._changed.values() for row in rows]
        for rejected in others:
            found += [self._unchanged(row) for row in rows_of(rejected, self._dialect)]
        if not found:
            raise Invalid("rows", "correction.empty", "no row is left to import")
        if len(found) > MOST_ROWS:
            raise Invalid("rows", "correction.too_large", f"{len(found)} rows belong together, more than {MOST_ROWS}")
        return sorted(found, key=lambda row: row.row)

    def _read(self, rejected: Iterable[Rejected]) -> None:
        missing = set(self._corrections)
        for each in rejected:
            rows = rows_of(each, self._dialect) if self._has_lines else None
            last = each.row + (len(rows) - 1 if rows else 0)
            named = missing.intersection(range(each.row, last + 1))
            rows = rows or rows_of(each, self._dialect)
            broken = not _BROKEN.isdisjoint(error.code for error in each.errors)
            if named:
                missing -= named
                self._changed[each.offset] = new = list(self._apply(each, rows))
                cells = [row.cells for row in new]
            else:
                cells = [row.cells[self._own :] for row in rows if row.cells is not None]
            self._known.append(_Known(each.offset, each.row, last, self._invoices(cells), broken))
        if missing:
            row = min(missing)
            message = f"row {row} was not rejected, or is not kept any more"
            raise Invalid(f"{self._places[row]}.row", "correction.unknown_row", message)

    def _apply(self, rejected: Rejected, rows: Sequence[CellRow]) -> Iterator[NewRow]:
        if any(error.code == "row.too_many_lines" for error in rejected.errors):
            place = next(self._places[row.row] for row in rows if row.row in self._corrections)
            message = f"the invoice from row {rejected.row} on has more rows than are kept: correct the file"
            raise Invalid(f"{place}.row", "correction.cut_off", message)
        for row in rows:
            correction = self._corrections.get(row.row)
            if correction is None:
                yield self._unchanged(row)
            elif not correction.drop:
                yield self._corrected(row, correction)

    def _corrected(self, row: CellRow, correction: Correction) -> NewRow:
        place = self._places[row.row]
        keys = {column.key for column in self._columns}
        for key, value in correction.values.items():
            if key not in keys:
                message = f"the file has no column {key[:100]!r}"
                raise Invalid(f"{place}.values.{key[:100]}", "correction.unknown_column", message)
            if not isinstance(value, str):
                raise Invalid(f"{place}.values.{key[:100]}", "correction.type", "a value is text")
        return NewRow(row.row, [self._value(row, column, correction) for column in self._columns])

    def _value(self, row: CellRow, column: CellColumn, correction: Correction) -> str:
        if column.key in correction.values:
            return str(correction.values[column.key])
        if row.cells is None:
            message = f"it is not clear which cell of row {row.row} is which: give a value for each column"
            raise Invalid(f"{self._places[row.row]}.values.{column.key}", "correction.incomplete", message)
        return row.cells[column.index]

    def _unchanged(self, row: CellRow) -> NewRow:
        return NewRow(row.row, [row.text] if row.cells is None else row.cells[self._own :])

    def _invoices(self, rows: Iterable[Sequence[str]]) -> frozenset[ObjectId]:
        """The invoices that the rows name."""
        found = set()
        for cells in rows:
            fields = [""] * self._own + list(cells)
            parsed = self._parser.parse(Record(1, 0, sum(map(len, fields)) * 4 + len(fields) + 1, "", fields))
            if identity := identity_of(parsed):
                found.add(identity.id)
        return frozenset(found)

    def _chains(self) -> Iterator[set[int]]:
        """Invoices that follow one another, with a row that cannot be read before or after each."""
        if not self._has_lines:
            return
        chain: set[int] = set()
        before: _Known | None = None
        for each in sorted(self._known, key=lambda known: known.row):
            if before and before.last + 1 == each.row and (before.broken or each.broken):
                chain |= {before.offset, each.offset}
            elif chain:
                yield chain
                chain = set()
            before = each
        if chain:
            yield chain


def _places(corrections: Sequence[Correction]) -> dict[int, str]:
    """The path of each correction in the request, by its row."""
    places: dict[int, str] = {}
    for index, each in enumerate(corrections):
        if each.row in places:
            raise Invalid(f"rows[{index}].row", "correction.repeated_row", f"row {each.row} is given more than once")
        if each.drop and each.values:
            raise Invalid(f"rows[{index}].values", "correction.dropped", "a row that is left out has no values")
        places[each.row] = f"rows[{index}]"
    return places
