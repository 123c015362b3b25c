"""Amounts that a file does not state, from those that it states: gross = net + VAT, and VAT = net x rate."""

from collections.abc import Collection
from decimal import Decimal

from mailroom.invoices.files.values.rates import WHOLE
from mailroom.invoices.model.columns import AMOUNTS, VAT_RATE

_BY_RATE = ([AMOUNTS[0]], [AMOUNTS[1]])  # gross or net: the VAT does not tell them well enough


def are_determined(columns: Collection[str]) -> bool:
    """Whether values in such columns give all three amounts: two of them, or gross or net with a rate."""
    stated = [name for name in AMOUNTS if name in columns]
    return len(stated) >= 2 or (VAT_RATE in columns and stated in _BY_RATE)


def needs_rate(columns: Collection[str]) -> bool:
    """Whether a rate would give the other amounts."""
    return [name for name in AMOUNTS if name in columns] in _BY_RATE


def is_plausible(gross: Decimal, net: Decimal, vat: Decimal) -> bool:
    """Whether a derived VAT can be one: not against the sign of the net amount, and not more than it.

    Else something other than VAT is between the two amounts: a discount, say, or a deposit.
    """
    return abs(vat) <= abs(net) <= abs(gross)


def complete(
    gross: Decimal | None, net: Decimal | None, vat: Decimal | None, rate: int | None
) -> tuple[Decimal, Decimal, Decimal]:
    """All three amounts, from those that determine them. `rate` is as `read_rate` gives it, and may be unused.

    The VAT is rounded half up, away from zero, to the digits of the amount.
    """
    if vat is None and gross is None and net is not None and rate is not None:
        vat = _share(net, rate, WHOLE)
    elif vat is None and net is None and gross is not None and rate is not None:
        vat = _share(gross, rate, WHOLE + rate)
    if gross is None and net is not None and vat is not None:
        return net + vat, net, vat
    if net is None and gross is not None and vat is not None:
        return gross, gross - vat, vat
    if gross is None or net is None:
        raise ValueError("these amounts do not determine the others")
    return gross, net, gross - net if vat is None else vat


def _share(amount: Decimal, part: int, whole: int) -> Decimal:
    """`amount` x `part` / `whole`, with the digits of `amount`. In integers: a quotient is never rounded twice."""
    digits = -int(amount.as_tuple().exponent)
    units = abs(int(amount.scaleb(digits))) * part
    rounded = Decimal((2 * units + whole) // (2 * whole)).scaleb(-digits)
    return -rounded if amount < 0 and rounded else rounded
