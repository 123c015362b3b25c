"""What a valid row is: the definition. Anything faster must give exactly the same answers."""

from datetime import date
from decimal import Decimal
from functools import partial

from mailroom.invoices.files.amounts import read_amount
from mailroom.invoices.files.cache import ValueCache
from mailroom.invoices.files.currencies import decimals
from mailroom.invoices.files.dates import read_date
from mailroom.invoices.files.dialect import EXTRA, Dialect
from mailroom.invoices.files.errors import RowError
from mailroom.invoices.files.form import RowForm
from mailroom.invoices.files.records import Malformed, Record
from mailroom.invoices.files.rejects import Rejected
from mailroom.invoices.files.rules import Rules
from mailroom.invoices.model.columns import AMOUNTS, COLUMNS, EXTRA_TEXT, TEXTS, ParsedInvoice
from mailroom.invoices.model.statuses import Statuses
from mailroom.invoices.model.texts import BadValue, read_text


class RowParser:
    """Turns records into invoices. One per file; not safe for threads."""

    def __init__(self, dialect: Dialect, rules: Rules) -> None:
        columns = dialect.columns
        at = {column: index for index, column in enumerate(columns) if column}
        self._form = RowForm(dialect)
        self._mark = dialect.decimal_mark
        self._tolerance = rules.amount_tolerance
        self._number, self._date, self._currency = at["invoiceNumber"], at["invoiceDate"], at["currency"]
        self._gross, self._net, self._vat = (at[column] for column in AMOUNTS)
        self._supplier = at["supplierName"]
        self._address = at.get("supplierAddress", -1)
        self._status = at.get("status", -1)
        self._extra = [(index, column[len(EXTRA) :]) for column, index in at.items() if column.startswith(EXTRA)]
        self._unnamed = [i for i, column in enumerate(columns) if not column and not dialect.names[i].strip()]
        self._dates = ValueCache(partial(read_date, order=dialect.date_order))
        self._suppliers = ValueCache(partial(read_text, rule=TEXTS["supplierName"]))
        self._addresses = ValueCache(partial(read_text, rule=TEXTS["supplierAddress"]))
        self._states = ValueCache(Statuses(rules.statuses).read)
        self._currencies = ValueCache(_read_currency)

    def parse(self, record: Record | Malformed) -> ParsedInvoice | Rejected:
        """The invoice, or every reason why the row is none."""
        if isinstance(record, Malformed):
            return Rejected(record.row, record.offset, record.raw, (record.error,))
        fitted = self._form.fitted(record)
        if isinstance(fitted, Rejected):
            return fitted
        record = fitted
        fields = record.fields
        currency = self._currencies[fields[self._currency]]
        code, digits = ("", None) if isinstance(currency, BadValue) else currency
        number = read_text(fields[self._number], TEXTS["invoiceNumber"])
        day = self._dates[fields[self._date]]
        gross = read_amount(fields[self._gross], self._mark, code, digits)
        net = read_amount(fields[self._net], self._mark, code, digits)
        vat = read_amount(fields[self._vat], self._mark, code, digits)
        supplier = self._suppliers[fields[self._supplier]]
        address = self._addresses[fields[self._address]] if self._address >= 0 else ""
        status = self._states[fields[self._status]] if self._status >= 0 else ""
        extra = self._read_extra(fields) if self._extra else {}
        if (
            isinstance(number, str)
            and isinstance(day, date)
            and isinstance(gross, Decimal)
            and isinstance(net, Decimal)
            and isinstance(vat, Decimal)
            and abs(gross - net - vat) <= self._tolerance
            and isinstance(supplier, str)
            and isinstance(address, str)
            and isinstance(currency, tuple)
            and isinstance(status, str)
            and isinstance(extra, dict)
            and not (self._unnamed and self._value_without_name(fields))
        ):
            return ParsedInvoice(number, day, gross, net, vat, supplier, address, code, status, extra)
        values = (number, day, gross, net, vat, supplier, address, currency, status)
        return self._rejected(record, values, extra)

    def _rejected(self, record: Record, values: tuple[object, ...], extra: dict[str, str] | list[RowError]) -> Rejected:
        errors = [
            RowError(name, value.code, value.message)
            for name, value in zip(COLUMNS, values, strict=True)
            if isinstance(value, BadValue)
        ]
        gross, net, vat = values[2:5]
        if isinstance(gross, Decimal) and isinstance(net, Decimal) and isinstance(vat, Decimal):
            off = gross - net - vat
            if abs(off) > self._tolerance:
                allowed = f"allowed is {self._tolerance} (IMPORT_AMOUNT_TOLERANCE)"
                message = f"{gross} is not {net} + {vat}: off by {off}, {allowed}."
                errors.append(RowError(AMOUNTS[0], "amount.sum", message))
        if isinstance(extra, list):
            errors += extra
        if self._value_without_name(record.fields):
            errors.append(RowError(None, "row.unnamed_value", "There is a value in a column without a name."))
        return Rejected(record.row, record.offset, record.raw, tuple(errors))

    def _read_extra(self, fields: list[str]) -> dict[str, str] | list[RowError]:
        values: dict[str, str] = {}
        errors: list[RowError] = []
        for index, name in self._extra:
            value = read_text(fields[index], EXTRA_TEXT)
            if isinstance(value, BadValue):
                errors.append(RowError(name, value.code, value.message))
            else:
                values[name] = value
        return errors or values

    def _value_without_name(self, fields: list[str]) -> bool:
        return any(fields[index].strip() for index in self._unnamed)


def _read_currency(text: str) -> tuple[str, int] | BadValue:
    """The code and how many decimals its amounts have."""
    code = text.strip().upper()
    digits = decimals().get(code)
    if digits is not None:
        return code, digits
    if code:
        return BadValue("currency.unknown", f"{text.strip()[:40]!r} is no ISO 4217 code such as EUR.")
    return BadValue("currency.empty", "The currency is missing.")
