"""The amounts of plain rows in hundredths: as the file states them, or derived from each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.invoices.files import Dialect
from mailroom.invoices.files.headers.further_amounts import further_amounts, further_taxes
from mailroom.invoices.files.values.cache import ValueCache
from mailroom.invoices.files.values.derived import needs_rate
from mailroom.invoices.files.values.rates import WHOLE, read_rate
from mailroom.invoices.model.columns import AMOUNTS, VAT_RATE
from mailroom.invoices.model.texts import BadValue

DIGITS = 2
"""The decimals that nearly all currencies have. Rows in others take the row-wise path."""

MOST_DIGITS = 13
"""Before the mark: a float still tells the hundredths of such amounts."""

_MOST_RATED = 10**12  # hundredths: twice as much, times a rate, is an int64


class AmountColumns:
    """Derives as `complete` does. Every row has the same amounts stated: a row with an empty cell is not plain."""

    def __init__(self, dialect: Dialect) -> None:
        self.stated = [name for name in AMOUNTS if name in dialect.columns]
        self.derived = tuple(name for name in AMOUNTS if name not in self.stated)
        self._units = 1 if dialect.minor_units else 10**DIGITS
        self._constant = dialect.constants.get(VAT_RATE, "")
        self._rates = ValueCache(self._rate)

    def further(self, columns: Sequence[str]) -> set[int]:
        """The indexes of columns that must be zero in a plain row: else nothing can be derived, or may not be."""
        found: set[int] = set()
        if self.derived and "netAmount" in self.stated:
            found.update(further_amounts(columns))
        if self.derived:
            found.update(further_taxes(columns))
        return found

    def read(self, texts: dict[str, Any]) -> tuple[list[pa.Array], list[pa.Array]]:
        """The three amounts of each row, in the order of AMOUNTS, and checks of the rows."""
        stated = {name: self._hundredths(texts[name]) for name in self.stated}
        checks = []
        if needs_rate(stated):
            amount = stated[self.stated[0]]
            rates = self._rates_of(texts[VAT_RATE])
            checks = [pc.is_valid(rates), pc.less_equal(pc.abs(amount), _MOST_RATED)]
            stated["vatAmount"] = _vat(amount, pc.fill_null(rates, 0), of_gross="grossAmount" in stated)
        gross, net, vat = (stated.get(name) for name in AMOUNTS)
        if gross is None:
            gross = pc.add(net, vat)
        elif net is None:
            net = pc.subtract(gross, vat)
        elif vat is None:
            vat = pc.subtract(gross, net)
            # As `is_plausible`.
            checks = [pc.less_equal(pc.abs(vat), pc.abs(net)), pc.less_equal(pc.abs(net), pc.abs(gross))]
        return [gross, net, vat], checks

    def _hundredths(self, amounts: pa.Array) -> pa.Array:
        """As integers, from the floats next to them."""
        scaled = amounts if self._units == 1 else pc.multiply(amounts, float(self._units))
        return pc.cast(pc.round(scaled), pa.int64())

    def _rates_of(self, texts: pa.Array) -> pa.Array:
        values = [self._rates[text] for text in texts.dictionary.to_pylist()]
        return pc.take(pa.array(values, pa.int64()), texts.indices)

    def _rate(self, text: str) -> int | None:
        rate = read_rate(text if text.strip() else self._constant)
        return None if isinstance(rate, BadValue) else rate


def _vat(amount: pa.Array, rate: pa.Array, *, of_gross: bool) -> pa.Array:
    """Rounded half up, away from zero. The amounts that are too large for it are refused by a check."""
    small = pc.min_element_wise(pc.abs(amount), _MOST_RATED)
    whole = pc.add(rate, WHOLE) if of_gross else pa.scalar(WHOLE, pa.int64())
    doubled = pc.multiply(pc.multiply(small, rate), 2)
    vat = pc.divide(pc.add(doubled, whole), pc.multiply(whole, 2))
    return pc.if_else(pc.less(amount, 0), pc.negate(vat), vat)
