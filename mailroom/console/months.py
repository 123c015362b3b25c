"""Months of the figures of invoices, for a plot and a table."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

# One far date must not make a plot of thousands of months without a bar.
MOST_MONTHS = 60


def by_currency(items: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The months of each currency, the one with most invoices first, with those between that have no invoice: so a plot
    shows the gap.

    Beside what the API says of a month there is its `first` and its `last` day. Months long after the others are kept,
    but without those between.
    """
    currencies = groupby(
        sorted(items, key=lambda each: (each["currency"], each["month"])), lambda each: each["currency"]
    )
    found = [(currency, list(_filled(list(months)))) for currency, months in currencies]
    return sorted(found, key=lambda each: -sum(month["count"] for month in each[1]))


def _filled(months: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    before: int | None = None
    for each in months:
        at = _number(each["month"])
        if before is not None and at - before <= MOST_MONTHS:
            yield from ({"month": _name(gap), "count": 0, "total": "0"} for gap in range(before + 1, at))
        yield dict(each) | {"first": f"{each['month']}-01", "last": f"{each['month']}-{_days(each['month']):02}"}
        before = at


def _number(month: str) -> int:
    year, number = map(int, month.split("-"))
    return year * 12 + number - 1


def _name(number: int) -> str:
    return f"{number // 12:04}-{number % 12 + 1:02}"


def _days(month: str) -> int:
    year, number = map(int, month.split("-"))
    return monthrange(year, number)[1]
