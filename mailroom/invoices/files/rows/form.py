"""Rows that have more or fewer fields than the header, without a doubt about which field is which.

A row with another number of fields than its header may lack a quote or a delimiter. Then each field after that place is
in the wrong column. So such a row is read only where no field can have moved:

- In a workbook each cell has its column. Missing cells are empty, and further empty cells do not count.
- Each row of the file ends with the same number of empty fields more than the header (a delimiter at the end of rows),
  or the header ends with empty names (a delimiter at its end). Rows with any other number of fields stay refused. With
  several columns after the last date, amount or currency, such a file must have a quoted delimiter: the program that
  wrote it quotes texts, so an unquoted delimiter does not split them.
- A row ends exactly with the last column that has dates, amounts or currencies, and none of the missing columns is
  required: a field that moved would leave a wrong value there. The row must have its line end: the last row of a file
  that was cut off has none.
- Excel leaves out the delimiters of empty cells at the end of 16 rows or more in a row. If the beginning of the file
  shows only such rows and full ones, so may its rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from msgspec.structs import replace

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import RowError
from mailroom.invoices.files.formats.records import Record
from mailroom.invoices.files.rejects import Rejected
from mailroom.invoices.model.columns import AMOUNTS, REQUIRED

_EXCEL_ROWS = 16
_CHECKED = frozenset({"invoiceDate", "currency", *AMOUNTS})
"""Columns with values of a kind of their own: a text that moved there is refused."""


class RowForm:
    """Gives the rows of one file the fields of its header."""

    def __init__(self, dialect: Dialect) -> None:
        self._width = len(dialect.columns)
        self._full = self._width + dialect.trailing
        self._short = frozenset(dialect.short_rows)
        self._cells = dialect.compression == "xlsx"
        self._encoding = dialect.encoding
        self._delimiter = dialect.delimiter

    def fitted(self, record: Record) -> Record | Rejected:
        """The row with as many fields as the header has names; rejected if a field may be in the wrong column."""
        count, width = len(record.fields), self._width
        if count == width == self._full:
            return record
        fields = self._fields(record)
        if fields is not None:
            return replace(record, fields=fields)
        advice = (
            f"Put quotes around a text that has {self._delimiter!r} in it, or add the empty fields that are left out."
        )
        error = RowError(None, "row.field_count", f"The row has {count} fields, not {self._full}. {advice}")
        return Rejected(record.row, record.offset, record.raw, (error,))

    def _fields(self, record: Record) -> list[str] | None:
        fields, width = record.fields, self._width
        count = len(fields)
        if count == self._full or (self._cells and count > width):
            return None if any(map(str.strip, fields[width:])) else fields[:width]
        if count < width and (self._cells or (count in self._short and self._is_whole(record))):
            return fields + [""] * (width - count)
        return None

    def _is_whole(self, record: Record) -> bool:
        """Whether the row has its line end."""
        return record.end - record.offset > len(record.raw.encode(self._encoding))


def with_form(dialect: Dialect, rows: Sequence[list[str]]) -> Dialect:
    """The dialect with what its first `rows` show about their fields."""
    if dialect.compression == "xlsx":
        return dialect
    widths = Counter(map(len, rows))
    width = len(dialect.columns)
    most = max(widths, key=lambda each: widths[each], default=width)
    if width not in widths and most < width and not any(name.strip() for name in dialect.names[most:]):
        dialect = replace(dialect, columns=dialect.columns[:most], names=dialect.names[:most])
    elif width not in widths and most > width and _has_empty_ends(dialect, [row for row in rows if len(row) == most]):
        return replace(dialect, trailing=most - width)
    return replace(dialect, short_rows=_short_rows(dialect, list(map(len, rows))))


def _has_empty_ends(dialect: Dialect, rows: Sequence[list[str]]) -> bool:
    width = len(dialect.columns)
    if any(field.strip() for row in rows for field in row[width:]):
        return False
    quotes = any(dialect.delimiter in field for row in rows for field in row)
    return quotes or width - _last_checked(dialect) <= 2


def _short_rows(dialect: Dialect, widths: Sequence[int]) -> tuple[int, ...]:
    width = len(dialect.columns)
    needed = max((at for at, column in enumerate(dialect.columns) if column in REQUIRED), default=width) + 1
    shortest = {_last_checked(dialect) + 1}
    short = set(widths) - {width}
    if len(short) == 1 and min(short) < width:
        runs = [len(list(run)) for count, run in groupby(widths) if count != width]
        if all(run >= _EXCEL_ROWS for run in (runs[:-1] if widths[-1] != width else runs)) and max(runs) >= _EXCEL_ROWS:
            shortest |= short
    return tuple(sorted(count for count in shortest if needed <= count < width))


def _last_checked(dialect: Dialect) -> int:
    return max((at for at, column in enumerate(dialect.columns) if column in _CHECKED), default=len(dialect.columns))
