"""What the values of a column look like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import permutations

import msgspec

from mailroom.invoices.files.rules import DecimalMark
from mailroom.invoices.files.values.amounts import evidence, is_amount, read_amount
from mailroom.invoices.files.values.currencies import read_currency
from mailroom.invoices.files.values.dates import date_format
from mailroom.invoices.files.values.rates import read_rate
from mailroom.invoices.model.columns import AMOUNTS, VAT_RATE
from mailroom.invoices.model.texts import BadValue

_MOSTLY, _NEARLY_ALL = 0.5, 0.9
_MOST_AMOUNTS = 10  # columns among which gross, net and VAT are looked for


class ColumnValues(msgspec.Struct, frozen=True):
    """The values of a column in some rows, empty ones included, and the share of dates and so on among the others."""

    texts: tuple[str, ...]
    dates: float
    amounts: float
    currencies: float
    different: float

    @classmethod
    def of(cls, texts: Sequence[str]) -> ColumnValues:
        filled = [text.strip() for text in texts if text.strip()]

        def share(holds: Callable[[str], bool]) -> float:
            return sum(map(holds, filled)) / len(filled) if filled else 0.0

        return cls(
            texts=tuple(texts),
            dates=share(lambda text: bool(date_format(text))),
            amounts=share(is_amount),
            currencies=share(_is_currency),
            different=len(set(filled)) / len(filled) if filled else 0.0,
        )

    @property
    def empty(self) -> bool:
        return not any(text.strip() for text in self.texts)

    def may_be(self, column: str) -> bool:
        """Whether nothing speaks against them as the values of our `column`."""
        if self.empty:
            return True
        if column == "invoiceDate":
            return self.dates >= _MOSTLY
        if column == "currency":
            return self.currencies >= _MOSTLY
        if column == VAT_RATE:
            return self._is_rate()
        if column in AMOUNTS:
            return self.amounts >= _MOSTLY
        if column == "invoiceNumber":
            return self.dates < _MOSTLY
        return self.dates < _MOSTLY and self.amounts < _MOSTLY

    def _is_rate(self) -> bool:
        return not any(_is(read_rate(text), "rate.invalid") for text in self.texts if text.strip())

    def number_like(self) -> bool:
        """Whether they may be numbers of invoices: with digits, and hardly one twice."""
        filled = [text for text in self.texts if text.strip()]
        with_digits = sum(any(each.isdigit() for each in text) for text in filled)
        return (
            len(filled) > 1
            and self.different >= _NEARLY_ALL
            and with_digits >= _NEARLY_ALL * len(filled)
            and self.dates < _MOSTLY
            and not any("." in text or "," in text for text in filled if is_amount(text))
        )


def evidence_of(columns: Sequence[ColumnValues], fixed: dict[str, int]) -> list[dict[str, float]]:
    """For each column of a file, our columns that its values look like, each with a number up to 1.

    `fixed` are those of our columns whose place is known.
    """
    found: list[dict[str, float]] = [{} for _ in columns]
    days = [at for at, values in enumerate(columns) if values.dates >= _NEARLY_ALL]
    for place, at in enumerate(days):
        found[at]["invoiceDate"] = 0.6 if len(days) == 1 else 0.4 if place == 0 else 0.3
    for at, values in enumerate(columns):
        if values.currencies >= _NEARLY_ALL:
            found[at]["currency"] = 0.8
    numbers = (at for at, values in enumerate(columns) if values.number_like())
    for at in list(numbers)[:1]:
        found[at]["invoiceNumber"] = 0.4
    for at, column, score in _sums(columns, fixed):
        found[at][column] = score
    return found


def _sums(columns: Sequence[ColumnValues], fixed: dict[str, int]) -> Iterator[tuple[int, str, float]]:
    """The three columns of which the first is the sum of the others, if there are such: gross, net and VAT."""
    at_amounts = [at for at, values in enumerate(columns) if values.amounts >= _NEARLY_ALL][:_MOST_AMOUNTS]
    marks = {evidence(text) for at in at_amounts for text in columns[at].texts}
    mark: DecimalMark = "," if "," in marks and "." not in marks else "."
    read = {at: [_amount(text, mark) for text in columns[at].texts] for at in at_amounts}
    best: tuple[float, tuple[int, ...]] = (0.0, ())
    for places in permutations(at_amounts, 3):
        if any(fixed.get(column, at) != at for column, at in zip(AMOUNTS, places, strict=True)):
            continue
        score = _sum_score(*(read[at] for at in places))
        if score > best[0]:
            best = score, places
    for column, at in zip(AMOUNTS, best[1], strict=False):
        yield at, column, best[0]


def _sum_score(gross: list[Decimal | None], net: list[Decimal | None], vat: list[Decimal | None]) -> float:
    """How well the first column is the sum of the others. VAT is less than the net amount."""
    rows = [(g, n, v) for g, n, v in zip(gross, net, vat, strict=True) if None not in (g, n, v)]
    fitting = [(n, v) for g, n, v in rows if g and n is not None and v is not None and _adds_up(g, n, v)]
    if not fitting or len(fitting) < _NEARLY_ALL * len(rows):
        return 0.0
    return 0.8 if any(v for _, v in fitting) else 0.4


def _adds_up(gross: Decimal, net: Decimal, vat: Decimal) -> bool:
    return abs(gross - net - vat) <= Decimal("0.02") and abs(vat) < abs(net)


def _amount(text: str, mark: DecimalMark) -> Decimal | None:
    amount = read_amount(text, mark, "", None)
    return amount if isinstance(amount, Decimal) else None


def _is_currency(text: str) -> bool:
    return not _is(read_currency(text), "currency.unknown")


def _is(value: object, code: str) -> bool:
    """Whether a value is refused with this code."""
    return isinstance(value, BadValue) and value.code == code
