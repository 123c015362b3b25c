"""What a valid row is: the definition. Anything faster must give exactly the same answers."""

from datetime import date
from decimal import Decimal
from typing import TypeVar

from mailroom.invoices.files.amounts import Fault, read_amount
from mailroom.invoices.files.currencies import decimals
from mailroom.invoices.files.dates import read_date
from mailroom.invoices.files.dialect import EXTRA, Dialect
from mailroom.invoices.files.rules import Invoice, Malformed, Problem, Record, Rejected, Rules
from mailroom.invoices.model.texts import read_text

LIMITS = {"invoiceNumber": 100, "supplierName": 300, "supplierAddress": 1000, "status": 50}
"""Characters of each text."""
EXTRA_LIMIT = 1000

_CACHED = 4096
"""Values remembered per kind. Suppliers, days and currencies repeat; more would only be memory."""

_AMOUNTS = ("grossAmount", "netAmount", "vatAmount")


V = TypeVar("V")


class RowParser:
    """Turns records into invoices. One per file; not safe for threads."""

    def __init__(self, dialect: Dialect, rules: Rules) -> None:
        columns = dialect.columns
        at = {column: index for index, column in enumerate(columns) if column}
        self._width = len(columns)
        self._mark = dialect.decimal_mark
        self._order = dialect.date_order
        self._tolerance = rules.amount_tolerance
        self._statuses = {status.casefold(): status for status in rules.statuses}
        self._number, self._date, self._currency = at["invoiceNumber"], at["invoiceDate"], at["currency"]
        self._gross, self._net, self._vat = (at[column] for column in _AMOUNTS)
        self._supplier = at["supplierName"]
        self._address = at.get("supplierAddress", -1)
        self._status = at.get("status", -1)
        self._extra = [(index, column[len(EXTRA) :]) for column, index in at.items() if column.startswith(EXTRA)]
        self._unnamed = [i for i, column in enumerate(columns) if not column and not dialect.names[i].strip()]
        self._dates: dict[str, date | Fault] = {}
        self._suppliers: dict[str, str | Fault] = {}
        self._addresses: dict[str, str | Fault] = {}
        self._states: dict[str, str | Fault] = {}
        self._currencies: dict[str, tuple[str, int] | Fault] = {}

    def parse(self, record: Record | Malformed) -> Invoice | Rejected:
        """The invoice, or every reason why the row is none."""
        if isinstance(record, Malformed):
            return Rejected(record.row, record.offset, record.raw, (record.problem,))
        fields = record.fields
        if len(fields) != self._width:
            message = f"The row has {len(fields)} fields, not {self._width}."
            return Rejected(record.row, record.offset, record.raw, (Problem(None, "row.field_count", message),))
        currency = self._read_currency(fields[self._currency])
        code, digits = ("", None) if isinstance(currency, Fault) else currency
        number = read_text(fields[self._number], LIMITS["invoiceNumber"], required=True, multiline=False)
        day = self._read_date(fields[self._date])
        gross = read_amount(fields[self._gross], self._mark, code, digits)
        net = read_amount(fields[self._net], self._mark, code, digits)
        vat = read_amount(fields[self._vat], self._mark, code, digits)
        supplier = self._read_supplier(fields[self._supplier])
        address = self._read_address(fields[self._address]) if self._address >= 0 else ""
        status = self._read_status(fields[self._status]) if self._status >= 0 else ""
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
            return Invoice(number, day, gross, net, vat, supplier, address, code, status, extra)
        values = (number, day, gross, net, vat, supplier, address, currency, status)
        return self._rejected(record, values, extra)

    def _rejected(self, record: Record, values: tuple[object, ...], extra: dict[str, str] | list[Problem]) -> Rejected:
        names = ("invoiceNumber", "invoiceDate", *_AMOUNTS, "supplierName", "supplierAddress", "currency", "status")
        problems = [
            Problem(name, value.code, value.message)
            for name, value in zip(names, values, strict=True)
            if isinstance(value, Fault)
        ]
        gross, net, vat = values[2:5]
        if isinstance(gross, Decimal) and isinstance(net, Decimal) and isinstance(vat, Decimal):
            off = gross - net - vat
            if abs(off) > self._tolerance:
                allowed = f"allowed is {self._tolerance} (IMPORT_AMOUNT_TOLERANCE)"
                message = f"{gross} is not {net} + {vat}: off by {off}, {allowed}."
                problems.append(Problem("grossAmount", "amount.sum", message))
        if isinstance(extra, list):
            problems += extra
        if self._value_without_name(record.fields):
            problems.append(Problem(None, "row.unnamed_value", "There is a value in a column without a name."))
        return Rejected(record.row, record.offset, record.raw, tuple(problems))

    def _read_date(self, text: str) -> date | Fault:
        day = self._dates.get(text)
        if day is None:
            day = _remember(self._dates, text, read_date(text, self._order))
        return day

    def _read_supplier(self, text: str) -> str | Fault:
        name = self._suppliers.get(text)
        if name is None:
            name = read_text(text, LIMITS["supplierName"], required=True, multiline=False)
            _remember(self._suppliers, text, name)
        return name

    def _read_address(self, text: str) -> str | Fault:
        address = self._addresses.get(text)
        if address is None:
            address = read_text(text, LIMITS["supplierAddress"], required=False, multiline=True)
            _remember(self._addresses, text, address)
        return address

    def _read_status(self, text: str) -> str | Fault:
        status = self._states.get(text)
        if status is None:
            status = read_text(text, LIMITS["status"], required=False, multiline=False)
            if status and self._statuses and isinstance(status, str):
                unknown = Fault("status.unknown", f"{status!r} is none of the statuses in IMPORT_STATUSES.")
                status = self._statuses.get(status.casefold(), unknown)
            _remember(self._states, text, status)
        return status

    def _read_currency(self, text: str) -> tuple[str, int] | Fault:
        currency = self._currencies.get(text)
        if currency is None:
            code = text.strip().upper()
            digits = decimals().get(code)
            if digits is not None:
                currency = (code, digits)
            elif code:
                currency = Fault("currency.unknown", f"{text.strip()[:40]!r} is no ISO 4217 code such as EUR.")
            else:
                currency = Fault("currency.empty", "The currency is missing.")
            _remember(self._currencies, text, currency)
        return currency

    def _read_extra(self, fields: list[str]) -> dict[str, str] | list[Problem]:
        values: dict[str, str] = {}
        problems: list[Problem] = []
        for index, name in self._extra:
            value = read_text(fields[index], EXTRA_LIMIT, required=False, multiline=True)
            if isinstance(value, Fault):
                problems.append(Problem(name, value.code, value.message))
            else:
                values[name] = value
        return problems or values

    def _value_without_name(self, fields: list[str]) -> bool:
        return any(fields[index].strip() for index in self._unnamed)


def _remember(cache: dict[str, V], text: str, value: V) -> V:
    if len(cache) >= _CACHED:
        cache.clear()
    if len(text) <= EXTRA_LIMIT:
        cache[text] = value
    return value
