"""The three amounts of a row: as its cells state them, or derived from each other."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import RowError
from mailroom.invoices.files.headers.further_amounts import further_amounts, further_taxes, is_one_of_several
from mailroom.invoices.files.values.amounts import MAX_INTEGER_DIGITS, is_nonzero, read_amount
from mailroom.invoices.files.values.cache import ValueCache
from mailroom.invoices.files.values.derived import are_determined, complete, is_plausible, needs_rate
from mailroom.invoices.files.values.rates import read_rate
from mailroom.invoices.model.columns import AMOUNTS, VAT_RATE
from mailroom.invoices.model.texts import BadValue

_MOST = Decimal(10) ** MAX_INTEGER_DIGITS
_ROUNDED = Decimal(1)
"""By less than this, a total may differ from its net amount and taxes: some countries round it to a whole number."""


class Amounts(msgspec.Struct, frozen=True):
    """Gross, net and VAT, each an amount or None, and why they are not all there. `derived` has names of `AMOUNTS`."""

    gross: Decimal | None
    net: Decimal | None
    vat: Decimal | None
    derived: tuple[str, ...] = ()
    errors: tuple[RowError, ...] = ()

    @property
    def off(self) -> Decimal:
        """By how much the gross amount is more than net and VAT; 0 if one is missing."""
        if self.gross is None or self.net is None or self.vat is None:
            return Decimal(0)
        return self.gross - self.net - self.vat


class AmountReader:
    """Reads the amounts of the rows of one file. `places` has the index of each amount's cell in a row.

    `of_invoices`: a row is a whole invoice. Else gross may be of the invoice and net of a line: they prove nothing.
    """

    def __init__(
        self,
        dialect: Dialect,
        places: Sequence[int],
        rate_at: int | None,
        *,
        of_invoices: bool,
    ) -> None:
        self._further = further_amounts(dialect.columns)
        self._taxes = further_taxes(dialect.columns)
        vat_at = dialect.columns.index("vatAmount") if "vatAmount" in dialect.columns else None
        self._vat_is_a_part = vat_at is not None and is_one_of_several(dialect.names[vat_at])
        self._of_invoices = of_invoices
        self._mark = dialect.decimal_mark
        self._minor_units = dialect.minor_units
        self._gross, self._net, self._vat = places
        self._rate_at = rate_at
        self._rates = ValueCache(read_rate)
        self._in_file = frozenset(dialect.columns).union(dialect.constants)

    def read(self, fields: Sequence[str], currency: str, digits: int | None) -> Amounts:
        """`digits` None: the currency is not known, only the form is judged."""
        mark, minor = self._mark, self._minor_units
        gross = read_amount(fields[self._gross], mark, currency, digits, minor)
        net = read_amount(fields[self._net], mark, currency, digits, minor)
        vat = read_amount(fields[self._vat], mark, currency, digits, minor)
        if isinstance(gross, Decimal) and isinstance(net, Decimal) and isinstance(vat, Decimal):
            return Amounts(gross, net, vat)
        return self._completed(dict(zip(AMOUNTS, (gross, net, vat), strict=True)), fields)

    def _completed(self, read: Mapping[str, Decimal | BadValue], fields: Sequence[str]) -> Amounts:
        stated = {name: value for name, value in read.items() if not _is_empty(value)}
        good = {name: value for name, value in stated.items() if isinstance(value, Decimal)}
        rate = None if self._rate_at is None else self._rates[fields[self._rate_at]]
        determined = are_determined({*stated, VAT_RATE} if isinstance(rate, int) else stated)
        if determined and len(good) == len(stated):
            if error := self._further_amount(good, fields) or self._further_tax(good, fields):
                gross, net, vat = map(good.get, AMOUNTS)
                return Amounts(gross, net, vat, (), (error,))
            return _complete(good, rate if isinstance(rate, int) else None, of_invoices=self._of_invoices)
        looked_at = stated if determined else self._in_file.intersection(AMOUNTS)
        faults: dict[str, Decimal | BadValue] = {name: value for name, value in read.items() if name in looked_at}
        if isinstance(rate, BadValue) and not determined and needs_rate(stated):
            faults[VAT_RATE] = rate
        errors = (
            RowError(name, each.code, each.message) for name, each in faults.items() if isinstance(each, BadValue)
        )
        gross, net, vat = map(good.get, AMOUNTS)
        return Amounts(gross, net, vat, (), tuple(errors))

    def _further_amount(self, good: Mapping[str, Decimal], fields: Sequence[str]) -> RowError | None:
        """Why nothing can be derived from net in a row that has a further amount."""
        if "netAmount" not in good or not any(is_nonzero(fields[index]) for index in self._further):
            return None
        message = "The amount is missing, and cannot be derived: the row has a further amount, such as shipping."
        return RowError(_lacking(good), "amount.derived", message)

    def _further_tax(self, good: Mapping[str, Decimal], fields: Sequence[str]) -> RowError | None:
        """Why nothing can be derived in a row that has several taxes.

        If they add up to the VAT, they are its parts. Gross and net tell the VAT by themselves, unless the taxes of a
        file that has them all say another one.
        """
        found = [fields[index] for index in self._taxes if is_nonzero(fields[index])]
        if not found:
            return None
        parts = [read_amount(text, self._mark, "", None, self._minor_units) for text in found]
        numbers = [part for part in parts if isinstance(part, Decimal)]
        total = sum(numbers) if len(numbers) == len(parts) else None
        if "grossAmount" in good and "netAmount" in good:
            vat = good["grossAmount"] - good["netAmount"]
            if not self._of_invoices or len(self._taxes) == 1 or total is None or abs(total - vat) < _ROUNDED:
                return None
            message = f"The amount is missing, and gross - net is {vat}, but the taxes of the row add up to {total}."
            return RowError(_lacking(good), "amount.derived", message)
        if not self._vat_is_a_part and total is not None and total == good.get("vatAmount"):
            return None
        message = "The amount is missing, and cannot be derived: the row has several taxes. State net and gross."
        return RowError(_lacking(good), "amount.derived", message)


def _lacking(good: Mapping[str, Decimal]) -> str:
    return next(name for name in AMOUNTS if name not in good)


def _complete(stated: Mapping[str, Decimal], rate: int | None, *, of_invoices: bool) -> Amounts:
    gross, net, vat = complete(stated.get("grossAmount"), stated.get("netAmount"), stated.get("vatAmount"), rate)
    derived = tuple(name for name in AMOUNTS if name not in stated)
    message = f"What is derived has more than {MAX_INTEGER_DIGITS} digits before the decimal mark."
    errors = [
        RowError(name, "amount.too_large", message)
        for name, amount in zip(AMOUNTS, (gross, net, vat), strict=True)
        if abs(amount) >= _MOST
    ]
    if of_invoices and "vatAmount" in derived and not is_plausible(gross, net, vat):
        message = (
            f"{gross} - {net} = {vat} is no VAT: it must have the sign of the net amount, and not be more. State it."
        )
        errors.append(RowError("vatAmount", "amount.derived", message))
    return Amounts(gross, net, vat, derived, tuple(errors))


def _is_empty(value: Decimal | BadValue) -> bool:
    return isinstance(value, BadValue) and value.code == "amount.empty"
