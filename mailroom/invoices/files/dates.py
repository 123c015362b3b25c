"""Dates: `YYYY-MM-DD`, `DD.MM.YYYY`, or with slashes in the order that a setting or the file proves."""

import re
from datetime import date

from mailroom.invoices.files.dialect import DOTTED_DATE, ISO_DATE, SLASHED_DATE, SLASHED_NAMES
from mailroom.invoices.files.rules import DateOrder
from mailroom.invoices.model.texts import BadValue

FIRST_YEAR, LAST_YEAR = 1900, 2200
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_DOTTED = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_SLASHED = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")


def read_date(text: str, order: DateOrder) -> date | BadValue:
    """A date that exists, in a year from 1900 to 2200."""
    text = text.strip()
    if iso := _ISO.fullmatch(text):
        return _day(text, int(iso[1]), int(iso[2]), int(iso[3]))
    if dotted := _DOTTED.fullmatch(text):
        return _day(text, int(dotted[3]), int(dotted[2]), int(dotted[1]))
    if slashed := _SLASHED.fullmatch(text):
        first, second, year = int(slashed[1]), int(slashed[2]), int(slashed[3])
        used = order or date_order(text)
        if used == "dmy":
            return _day(text, year, second, first, SLASHED_NAMES[order])
        if used == "mdy":
            return _day(text, year, first, second, SLASHED_NAMES[order])
        if used == "?":
            message = f"{text!r} may be day/month or month/day: set IMPORT_DATE_ORDER to 'dmy' or 'mdy'."
            return BadValue("date.ambiguous", message)
        return _no_date(text)
    if not text:
        return BadValue("date.empty", "The date is missing.")
    return _no_date(text)


def date_format(text: str) -> str:
    """Which of the formats a date is written in; `""` for none."""
    text = text.strip()
    for pattern, name in ((_ISO, ISO_DATE), (_DOTTED, DOTTED_DATE), (_SLASHED, SLASHED_DATE)):
        if pattern.fullmatch(text):
            return name
    return ""


def date_order(text: str) -> str:
    """What one slashed date proves: `dmy`, `mdy`, `?` (either) or `""` (no date at all)."""
    slashed = _SLASHED.fullmatch(text.strip())
    if slashed is None:
        return ""
    first, second, year = int(slashed[1]), int(slashed[2]), int(slashed[3])
    as_dmy, as_mdy = _exists(year, second, first), _exists(year, first, second)
    if as_dmy and as_mdy:
        return "?"
    return "dmy" if as_dmy else "mdy" if as_mdy else ""


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _day(text: str, year: int, month: int, day: int, written: str = "") -> date | BadValue:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return BadValue("date.out_of_range", f"The year of {text!r} is not between {FIRST_YEAR} and {LAST_YEAR}.")
    try:
        return date(year, month, day)
    except ValueError:
        return _no_date(text, f" Slashed dates are read as {written} here (IMPORT_DATE_ORDER)." if written else "")


def _no_date(text: str, note: str = "") -> BadValue:
    return BadValue("date.invalid", f"{text[:40]!r} is not a date such as 2024-12-31 or 31.12.2024.{note}")
