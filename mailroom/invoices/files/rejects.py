"""The rejects file: the cells of the bad rows, after columns that say what is wrong.

Encode it as UTF-8 with a byte order mark. A person can correct it and upload it as it is: columns whose name begins
with `_` are dropped. Every cell is guarded and quoted, and a column without values says so. The whole file may have
proved more than the bad rows do (the order of slashed dates, the decimal mark): such a column tells it too, as
`_date_order=dmy`.
"""

import csv
import io
from collections.abc import Sequence

import msgspec

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import RowError
from mailroom.invoices.files.formats.records import fields_of
from mailroom.invoices.files.guard import GUARD_NAME, guarded_line
from mailroom.invoices.files.values.dates import SHORT_YEARS, has_order
from mailroom.invoices.model.identity import Identity

ADDED = ("_row", "_offset", "_column", "_code", "_message")
DATE_ORDER_NAME, YEAR_PIVOT_NAME, FIRST_DAY_NAME = "_date_order=", "_year_pivot=", "_first_day="
DECIMAL_MARK_NAME, MINOR_UNITS_NAME, CURRENCY_NAME = "_decimal_mark=", "_minor_units=", "_currency="
MOST_ADDED = len(ADDED) + 7  # with a column for the guard and for each of these names

_BROKEN = frozenset({"row.quoting", "row.unterminated_quote", "row.too_large"})


class Rejected(msgspec.Struct, frozen=True):
    """A bad row with everything that is wrong with it, at least one error; and its invoice, if that can be told."""

    row: int
    offset: int
    raw: str
    errors: tuple[RowError, ...]
    identity: Identity | None = None

    @property
    def size(self) -> int:
        """The bytes of its text and of its reasons."""
        reasons = (text for error in self.errors for text in (error.column or "", error.code, error.message))
        return len(self.raw.encode()) + sum(len(text.encode()) for text in reasons)


def rejects_header(dialect: Dialect) -> str:
    """The header line with its line end."""
    names = (*ADDED, *_hints(dialect), *dialect.names[added_columns(dialect.names) :])
    return guarded_line(names, dialect.delimiter, dialect.line_end)


def corrections_header(dialect: Dialect) -> str:
    """The header line of a file of corrected rows: it says everything that is known of how the first file is written.

    So a corrected value is read as it would have been there, whatever the other rows of the new file prove.
    """
    names = (*ADDED, *_all_hints(dialect), *dialect.names[added_columns(dialect.names) :])
    return guarded_line(names, dialect.delimiter, dialect.line_end)


def corrections_line(dialect: Dialect, row: int, cells: Sequence[str]) -> str:
    """A corrected row with its line end. `row` is its number in the first file."""
    added = (str(row), *[""] * (len(ADDED) - 1 + len(_all_hints(dialect))))
    return guarded_line((*added, *cells), dialect.delimiter, dialect.line_end)


def rejects_line(dialect: Dialect, rejected: Rejected) -> str:
    """One bad row with its line end. A row with several errors gets one line: codes and messages are joined.

    A row that cannot be split into cells is one cell. An invoice of several rows has a line for each.
    """
    errors = rejected.errors
    added = (
        str(rejected.row),
        str(rejected.offset),
        " ".join(error.column for error in errors if error.column),
        " ".join(error.code for error in errors),
        " ".join(error.message for error in errors),
        *("" for _ in _hints(dialect)),
    )
    first, *others = _rows(rejected, dialect)
    lines = [(*added, *first)]
    lines += [(str(rejected.row + count), *[""] * (len(added) - 1), *cells) for count, cells in enumerate(others, 1)]
    return "".join(guarded_line(line, dialect.delimiter, dialect.line_end) for line in lines)


def _all_hints(dialect: Dialect) -> tuple[str, ...]:
    known = {
        DATE_ORDER_NAME: dialect.date_order,
        YEAR_PIVOT_NAME: str(dialect.year_pivot),
        FIRST_DAY_NAME: str(dialect.first_day or ""),
        CURRENCY_NAME: dialect.constants.get("currency", "") if dialect.first_day else "",
        DECIMAL_MARK_NAME: dialect.decimal_mark,
        MINOR_UNITS_NAME: "yes" if dialect.minor_units else "",
    }
    return (GUARD_NAME, *(name + value for name, value in known.items() if value))


def _hints(dialect: Dialect) -> tuple[str, ...]:
    formats = dialect.date_formats
    known = {
        DATE_ORDER_NAME: dialect.date_order if any(map(has_order, formats)) else "",
        YEAR_PIVOT_NAME: str(dialect.year_pivot) if any(each.endswith(SHORT_YEARS) for each in formats) else "",
        FIRST_DAY_NAME: str(dialect.first_day or ""),
        CURRENCY_NAME: dialect.constants.get("currency", "") if dialect.first_day else "",
        DECIMAL_MARK_NAME: dialect.decimal_mark if dialect.grouped else "",
        MINOR_UNITS_NAME: "yes" if dialect.minor_units else "",
    }
    return (GUARD_NAME, *(name + value for name, value in known.items() if value))


def added_columns(names: tuple[str, ...]) -> int:
    """How many columns in front an earlier rejects file has added."""
    count = 0
    while count < len(names) and names[count].startswith("_"):
        count += 1
    return count


def _rows(rejected: Rejected, dialect: Dialect) -> list[list[str]]:
    """The cells of each row, without those that an earlier rejects file added."""
    if any(error.code in _BROKEN for error in rejected.errors):
        return [[rejected.raw]]
    try:
        rows = list(fields_of(io.StringIO(rejected.raw, newline=""), dialect))
    except csv.Error:
        return [[rejected.raw]]
    own = added_columns(dialect.names)
    return [_fitted(cells, dialect)[own:] for cells in rows] or [[rejected.raw]]


def _fitted(cells: list[str], dialect: Dialect) -> list[str]:
    """The cells without the empty ones after the last name of the header. A workbook may leave out cells at the end."""
    width = len(dialect.columns)
    is_workbook = dialect.compression == "xlsx"
    if (is_workbook or len(cells) == width + dialect.trailing) and not any(map(str.strip, cells[width:])):
        del cells[width:]
    return cells + [""] * (width - len(cells)) if is_workbook else cells
