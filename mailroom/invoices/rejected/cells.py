"""The columns of a file, and the cells of a row, each under a key that no other column of the file has."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import msgspec

from mailroom.invoices.files import Dialect, Record, Rejected
from mailroom.invoices.files.formats.records import fields_of
from mailroom.invoices.files.rejects import added_columns
from mailroom.invoices.files.rows.form import RowForm
from mailroom.invoices.model.columns import MAPPABLE

_UNSPLIT = frozenset({"row.quoting", "row.unterminated_quote", "row.too_large", "row.field_count"})
"""Reasons against rows of which no cell is sure."""


class CellColumn(msgspec.Struct, frozen=True):
    """A column. `index` is its place in the dialect; `target` is one of `MAPPABLE`, or None."""

    key: str
    name: str
    target: str | None
    index: int


class CellRow(msgspec.Struct, frozen=True):
    """A row. `cells` has one for each column of the dialect. None: it cannot be split, or a cell may have moved."""

    row: int
    text: str
    cells: tuple[str, ...] | None


def columns_of(dialect: Dialect) -> list[CellColumn]:
    """The columns, without those that an earlier rejects file added in front.

    A key is the name in the header. Repeated names get a number, and so does a column without a name.
    """
    taken = set(dialect.names)
    found: list[CellColumn] = []
    keys: set[str] = set()
    for index in range(added_columns(dialect.names), len(dialect.columns)):
        name, column = dialect.names[index], dialect.columns[index]
        key = name or f"column {index + 1}"
        number = 2
        while key in keys or (key != name and key in taken):
            key = f"{name or 'column'} ({number})"
            number += 1
        keys.add(key)
        found.append(CellColumn(key, name, column if column in MAPPABLE else None, index))
    return found


def rows_of(rejected: Rejected, dialect: Dialect) -> list[CellRow]:
    """The rows of a rejected invoice: their numbers follow one another."""
    split = (
        None if _UNSPLIT.intersection(error.code for error in rejected.errors) else split_text(rejected.raw, dialect)
    )
    if not split:
        return [CellRow(rejected.row, rejected.raw, None)]
    form = RowForm(dialect)
    alone = len(split) == 1
    return [
        CellRow(rejected.row + count, rejected.raw if alone else text, _fitted(form, rejected, text, fields))
        for count, (text, fields) in enumerate(split)
    ]


def split_text(text: str, dialect: Dialect) -> list[tuple[str, list[str]]]:
    """The text and the fields of each row of `text`; empty if quotes are broken."""
    lines = io.StringIO(text, newline="")
    taken: list[str] = []

    def noted() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    found: list[tuple[str, list[str]]] = []
    try:
        for fields in fields_of(noted(), dialect):
            found.append(("".join(taken).rstrip("\r\n"), fields))
            taken.clear()
    except csv.Error:
        return []
    return found


def _fitted(form: RowForm, rejected: Rejected, text: str, fields: list[str]) -> tuple[str, ...] | None:
    """As many fields as the header has. The row had its line end: one without is refused for its number of fields."""
    whole = len(text.encode("utf-8", "replace")) * 4 + 1
    fitted = form.fitted(Record(rejected.row, 0, whole, text, fields))
    return None if isinstance(fitted, Rejected) else tuple(fitted.fields)
