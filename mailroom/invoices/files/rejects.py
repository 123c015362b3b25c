"""The rejects file: the bad rows as they were written, after columns that say what is wrong.

Encode it as UTF-8 with a byte order mark. A person can correct it and upload it as it is: columns whose name begins
with `_` are dropped. The whole file may have proved more than the bad rows do (the order of slashed dates, the decimal
mark): a column without values tells it, such as `_date_order=dmy`.
"""

import re
from functools import cache

import msgspec

from mailroom.invoices.files.dialect import SLASHED_DATE, Dialect
from mailroom.invoices.files.errors import RowError

ADDED = ("_row", "_offset", "_column", "_code", "_message")
DATE_ORDER_NAME, DECIMAL_MARK_NAME = "_date_order=", "_decimal_mark="

_BROKEN = frozenset({"row.quoting", "row.unterminated_quote", "row.too_large"})


class Rejected(msgspec.Struct, frozen=True):
    """A bad row with everything that is wrong with it: at least one error."""

    row: int
    offset: int
    raw: str
    errors: tuple[RowError, ...]


def rejects_header(dialect: Dialect) -> str:
    """The header line with its line end."""
    names = (*ADDED, *_hints(dialect), *dialect.names[_own(dialect.names) :])
    return dialect.delimiter.join(_quoted(name, dialect) for name in names) + dialect.line_end


def rejects_line(dialect: Dialect, rejected: Rejected) -> str:
    """One bad row with its line end. A row with several errors gets one line: codes and messages are joined."""
    errors = rejected.errors
    added = (
        str(rejected.row),
        str(rejected.offset),
        " ".join(error.column for error in errors if error.column),
        " ".join(error.code for error in errors),
        " ".join(error.message for error in errors),
        *("" for _ in _hints(dialect)),
    )
    raw = _without_own(rejected.raw, dialect)
    if any(error.code in _BROKEN for error in errors):
        raw = _quoted(rejected.raw, dialect, always=True)
    return dialect.delimiter.join((*(_quoted(value, dialect) for value in added), raw)) + dialect.line_end


def _hints(dialect: Dialect) -> tuple[str, ...]:
    order = dialect.date_order if SLASHED_DATE in dialect.date_formats else ""
    mark = dialect.decimal_mark if dialect.grouped else ""
    return tuple(name + value for name, value in ((DATE_ORDER_NAME, order), (DECIMAL_MARK_NAME, mark)) if value)


def _own(names: tuple[str, ...]) -> int:
    """How many columns at the front an earlier rejects file added."""
    count = 0
    while count < len(names) and names[count].startswith("_"):
        count += 1
    return count


def _without_own(raw: str, dialect: Dialect) -> str:
    count = _own(dialect.names)
    if not count:
        return raw
    leading = _leading_fields(count, dialect.delimiter, dialect.quoting).match(raw)
    return raw[leading.end() :] if leading else raw


@cache
def _leading_fields(count: int, delimiter: str, quoting: str) -> re.Pattern[str]:
    inside = r'(?:[^"]|"")*' if quoting == "doubled" else r'(?:[^"\\]|\\.)*'
    other = re.escape(delimiter)
    bare = rf"[^{other}]*" if quoting == "doubled" else rf"(?:[^{other}\\]|\\.)*"
    return re.compile(rf'(?:(?:"{inside}"|(?!"){bare}){other}){{{count}}}', re.DOTALL)


def _quoted(value: str, dialect: Dialect, *, always: bool = False) -> str:
    if dialect.quoting == "backslash":
        special = '"\\'
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    else:
        special = '"'
        escaped = value.replace('"', '""')
    if always or any(character in value for character in (*special, dialect.delimiter, "\n", "\r")):
        return f'"{escaped}"'
    return value
