"""The grammar of a date. Nothing is guessed: a date that may be two days is refused.

    2024-12-31  2024/12/31  20241231          year first
    31.12.2024  31.12.24  31. 12. 2024        day first
    31/12/2024  12-31-2024  31/12/24          in the order that a setting or the file proves
    31-Dec-2024  31. Dezember 24  Dec 31, 2024  2024-Dec-31
    3112                                      in a file that says the year

A time may follow. It does not change the day.
"""

import re
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import NamedTuple

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.rules import YEAR_PIVOT, DateOrder
from mailroom.invoices.files.values.month_names import MONTHS, UNCLEAR_MONTHS, folded
from mailroom.invoices.model.texts import BadValue
from mailroom.platform.normalization import normalize

FIRST_YEAR, LAST_YEAR = 1900, 2200
ISO_DATE, DOTTED_DATE, NAMED_DATE = "YYYY-MM-DD", "DD.MM.YYYY", "month name"
SLASHED_DATE, DASHED_DATE = "slashed", "dashed"
_ORDER_NAMES = {"dmy": "DD/MM/YYYY", "mdy": "MM/DD/YYYY"}
WITHOUT_YEAR = "DDMM"
SHORT_YEARS = ", two-digit years"
"""Behind the name of a format, where the years have two digits."""

_LONGEST = 64
"""Characters of the longest date that could be valid, and then some."""
_YEAR, _MONTH, _DAY = "(?P<year>[0-9]{4}|[0-9]{2})", "(?P<month>[0-9]{1,2})", "(?P<day>[0-9]{1,2})"
_FULL_YEAR = "(?P<year>[0-9]{4})"
_NAME = r"(?P<name>[^\W\d_]{3,12})\.?"
_GAP = r"(?:\s?[-/.,]\s?|\s(?:de|del|of)\s|\s)"
_DAY_OF = rf"{_DAY}(?:st|nd|rd|th|er|\.|º)?"
_FORMATS = [
    (name, re.compile(pattern))
    for name, pattern in (
        (ISO_DATE, rf"{_FULL_YEAR}-(?P<month>[0-9]{{2}})-(?P<day>[0-9]{{2}})"),
        (DOTTED_DATE, rf"{_DAY}\.\s?{_MONTH}\.\s?{_YEAR}"),
        (SLASHED_DATE, rf"(?P<first>[0-9]{{1,2}})/(?P<second>[0-9]{{1,2}})/{_YEAR}"),
        (DASHED_DATE, rf"(?P<first>[0-9]{{1,2}})-(?P<second>[0-9]{{1,2}})-{_YEAR}"),
        ("YYYY/MM/DD", rf"{_FULL_YEAR}/{_MONTH}/{_DAY}"),
        ("YYYYMMDD", rf"{_FULL_YEAR}(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}})"),
        (NAMED_DATE, rf"{_DAY_OF}{_GAP}?{_NAME}{_GAP}?{_YEAR}(?:\s?r\.)?"),  # r.: `year` in Polish
        (NAMED_DATE, rf"{_NAME}{_GAP}?{_DAY_OF}{_GAP}{_FULL_YEAR}"),
        (NAMED_DATE, f"{_NAME}-{_DAY}-{_YEAR}"),
        (NAMED_DATE, rf"{_FULL_YEAR}{_GAP}?{_NAME}{_GAP}?{_DAY}"),
        (WITHOUT_YEAR, "(?P<day>[0-9]{1,2})(?P<month>[0-9]{2})"),
    )
]
_TIME = re.compile(
    r"(?:T|,?\s{1,2})[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:\s?[AaPp]\.?[Mm]\.?)?"
    r"(?:\s?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}))?\Z"
)


class _Written(NamedTuple):
    """The parts of a date as they are written. It has `first` and `second` if their order is not clear."""

    format: str
    year: str = ""
    month: str = ""
    day: str = ""
    name: str = ""
    first: str = ""
    second: str = ""


def read_date(
    text: str, order: DateOrder, year_pivot: int = YEAR_PIVOT, first_day: date | None = None
) -> date | BadValue:
    """A date that exists, in a year from 1900 to 2200.

    A date without a year is one of the twelve months from `first_day` on, if the file says it.
    """
    text = text.strip()
    if not text:
        return BadValue("date.empty", "The date is missing.")
    written = _written(text)
    if written is None or (written.format == WITHOUT_YEAR and first_day is None):
        return _no_date(text)
    if written.first:
        return _in_order(text, written, order, year_pivot)
    if written.name in UNCLEAR_MONTHS:
        return BadValue("date.ambiguous", f"The month of {text!r} is another one in another language. Write a number.")
    month = MONTHS.get(written.name, 0) if written.name else int(written.month)
    day = int(written.day)
    if first_day and not written.year:
        return _day(text, first_day.year + ((month, day) < (first_day.month, first_day.day)), month, day)
    return _day(text, _full_year(written.year, year_pivot), month, day)


def date_reader(dialect: Dialect) -> Callable[[str], date | BadValue]:
    """Reads the dates of one file."""
    return partial(read_date, order=dialect.date_order, year_pivot=dialect.year_pivot, first_day=dialect.first_day)


def date_format(text: str) -> str:
    """Which of the formats a date is written in; `""` for none. A number of three or four digits has none."""
    written = _written(text.strip())
    if written is None or written.format == WITHOUT_YEAR or (written.name and not _is_month(written.name)):
        return ""
    return written.format + SHORT_YEARS if len(written.year) == 2 else written.format


def has_order(format_: str) -> bool:
    """Whether dates of a format have their day and month in an order that has to be known."""
    return format_.removesuffix(SHORT_YEARS) in (SLASHED_DATE, DASHED_DATE)


def possible_orders(text: str, year_pivot: int) -> frozenset[str]:
    """The orders, of `dmy`, `mdy` and `ymd`, in which a date exists; none if it has no order to find out."""
    written = _written(text.strip())
    return frozenset(_days(written, year_pivot)) if written and written.first else frozenset()


def _written(text: str) -> _Written | None:
    if len(text) > _LONGEST:
        return None
    text = _TIME.sub("", text if text.isascii() else normalize("NFC", text))
    for name, pattern in _FORMATS:
        if found := pattern.fullmatch(text):
            written = _Written(name, **found.groupdict())
            return written._replace(name=folded(written.name))
    return None


def _is_month(name: str) -> bool:
    return name in MONTHS or name in UNCLEAR_MONTHS


def _full_year(written: str, pivot: int) -> int:
    year = int(written)
    if len(written) == 4:
        return year
    return year + (1900 if year >= pivot else 2000)


def _days(written: _Written, pivot: int) -> dict[str, tuple[int, int, int]]:
    """Year, month and day of a date, in each order in which it exists."""
    first, second, year = int(written.first), int(written.second), _full_year(written.year, pivot)
    days = {"dmy": (year, second, first), "mdy": (year, first, second)}
    if len(written.year) == 2 and len(written.first) == 2:
        days["ymd"] = (_full_year(written.first, pivot), second, int(written.year))
    return {order: day for order, day in days.items() if _exists(*day)}


def _in_order(text: str, written: _Written, order: DateOrder, pivot: int) -> date | BadValue:
    """A date with the day and the month in an order that is not clear by itself."""
    days = _days(written, pivot)
    if "ymd" in days and written.format == DASHED_DATE:
        # Years of two digits come first in Sweden and elsewhere. The order of day and month does not rule that out.
        return BadValue("date.ambiguous", f"{text!r} may begin with its year. Write the year with four digits.")
    if not order and len(days) > 1:
        message = f"{text!r} may be day/month or month/day: set IMPORT_DATE_ORDER to 'dmy' or 'mdy'."
        return BadValue("date.ambiguous", message)
    if not order and "ymd" not in days:
        return _day(text, *next(iter(days.values()))) if days else _no_date(text)
    if order in days:
        return _day(text, *days[order])
    return _no_date(text, f" Such dates are read as {_ORDER_NAMES[order]} here (IMPORT_DATE_ORDER)." if order else "")


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _day(text: str, year: int, month: int, day: int) -> date | BadValue:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return BadValue("date.out_of_range", f"The year of {text!r} is not between {FIRST_YEAR} and {LAST_YEAR}.")
    try:
        return date(year, month, day)
    except ValueError:
        return _no_date(text)


def _no_date(text: str, note: str = "") -> BadValue:
    return BadValue("date.invalid", f"{text[:40]!r} is not a date such as 2024-12-31, 31.12.2024 or 31-Dec-2024.{note}")
