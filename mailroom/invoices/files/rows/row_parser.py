"""What a valid row is: the definition. Anything faster must give exactly the same answers."""

from datetime import date
from functools import partial

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import RowError
from mailroom.invoices.files.formats.records import Malformed, Record
from mailroom.invoices.files.rejects import Rejected
from mailroom.invoices.files.rows.document_kinds import DocumentKinds
from mailroom.invoices.files.rows.form import RowForm
from mailroom.invoices.files.rules import Rules
from mailroom.invoices.files.values.cache import ValueCache
from mailroom.invoices.files.values.currencies import read_currency
from mailroom.invoices.files.values.dates import date_reader
from mailroom.invoices.files.values.row_amounts import AmountReader, Amounts
from mailroom.invoices.model.columns import AMOUNTS, COLUMNS, EXTRA_TEXT, TEXTS, VAT_RATE, ParsedInvoice
from mailroom.invoices.model.identity import Identity, supplier_key
from mailroom.invoices.model.statuses import Statuses
from mailroom.invoices.model.texts import BadValue, read_text


class RowParser:
    """Turns records into invoices. One per file; not safe for threads."""

    def __init__(self, dialect: Dialect, rules: Rules) -> None:
        self._form = RowForm(dialect)
        columns, constants = dialect.columns, dialect.constants
        lacking = [column for column in (*COLUMNS, VAT_RATE) if column not in columns]
        self._lacking = [constants.get(column, "") for column in lacking]
        at = {column: len(columns) + index for index, column in enumerate(lacking)}
        at |= {column: index for index, column in enumerate(columns) if column}
        self._filled = [(at[column], text) for column, text in constants.items() if column in columns]
        self._tolerance = rules.amount_tolerance
        self._number, self._date, self._currency = at["invoiceNumber"], at["invoiceDate"], at["currency"]
        self._supplier, self._address, self._status = at["supplierName"], at["supplierAddress"], at["status"]
        self._extra = [(index, name) for index, _, name in dialect.extra_columns]
        self._unnamed = [i for i, column in enumerate(columns) if not column and not dialect.names[i].strip()]
        has_rate = VAT_RATE in columns or VAT_RATE in constants
        self._amounts = AmountReader(
            dialect,
            [at[name] for name in AMOUNTS],
            at[VAT_RATE] if has_rate else None,
            of_invoices=rules.line_items != "addUp",
        )
        self._kinds = DocumentKinds(dialect, rules)
        self._dates = ValueCache(date_reader(dialect))
        self._suppliers = ValueCache(partial(read_text, rule=TEXTS["supplierName"]))
        self._addresses = ValueCache(partial(read_text, rule=TEXTS["supplierAddress"]))
        required = rules.status_required and "status" in columns
        self._states = ValueCache(partial(Statuses(rules.statuses).read, required=required))
        self._currencies = ValueCache(
            partial(read_currency, of_header=dialect.header_currency, constant=constants.get("currency", ""))
        )

    def parse(self, record: Record | Malformed) -> ParsedInvoice | Rejected:
        """The invoice, or every reason why the row is none."""
        if isinstance(record, Malformed):
            return Rejected(record.row, record.offset, record.raw, (record.error,))
        fitted = self._form.fitted(record)
        if isinstance(fitted, Rejected):
            return fitted
        record = fitted
        fields = record.fields + self._lacking
        for index, text in self._filled:
            if not fields[index].strip():
                fields[index] = text
        currency = self._currencies[fields[self._currency]]
        code, digits = ("", None) if isinstance(currency, BadValue) else currency
        number = read_text(_without_apostrophes(fields[self._number]), TEXTS["invoiceNumber"])
        day = self._dates[fields[self._date]]
        amounts = self._amounts.read(fields, code, digits)
        supplier = self._suppliers[fields[self._supplier]]
        address = self._addresses[fields[self._address]]
        status = self._states[fields[self._status]]
        extra = self._read_extra(record.fields) if self._extra else {}
        gross, net, vat = amounts.gross, amounts.net, amounts.vat
        of_kind = self._kinds.fault(fields, gross) if self._kinds.places else None
        if (
            isinstance(number, str)
            and isinstance(day, date)
            and gross is not None
            and net is not None
            and vat is not None
            and not amounts.errors
            and abs(amounts.off) <= self._tolerance
            and isinstance(supplier, str)
            and isinstance(address, str)
            and isinstance(currency, tuple)
            and isinstance(status, str)
            and isinstance(extra, dict)
            and of_kind is None
            and not (self._unnamed and self._value_without_name(record.fields))
        ):
            return ParsedInvoice(number, day, gross, net, vat, supplier, address, code, status, extra, amounts.derived)
        values: dict[str, object] = {
            "invoiceNumber": number,
            "invoiceDate": day,
            "supplierName": supplier,
            "supplierAddress": address,
            "currency": currency,
            "status": status,
        }
        return self._rejected(record, values, amounts, extra, of_kind)

    def _rejected(
        self,
        record: Record,
        values: dict[str, object],
        amounts: Amounts,
        extra: dict[str, str] | list[RowError],
        of_kind: RowError | None,
    ) -> Rejected:
        faults = {
            name: RowError(name, value.code, value.message)
            for name, value in values.items()
            if isinstance(value, BadValue)
        }
        faults |= {error.column: error for error in amounts.errors if error.column}
        errors = [faults[name] for name in (*COLUMNS, VAT_RATE) if name in faults]
        if abs(amounts.off) > self._tolerance:
            allowed = f"allowed is {self._tolerance} (IMPORT_AMOUNT_TOLERANCE)"
            message = f"{amounts.gross} is not {amounts.net} + {amounts.vat}: off by {amounts.off}, {allowed}."
            errors.append(RowError(AMOUNTS[0], "amount.sum", message))
        if of_kind:
            errors.append(of_kind)
        if isinstance(extra, list):
            errors += extra
        if self._value_without_name(record.fields):
            errors.append(RowError(None, "row.unnamed_value", "There is a value in a column without a name."))
        number, day, supplier = values["invoiceNumber"], values["invoiceDate"], values["supplierName"]
        return Rejected(record.row, record.offset, record.raw, tuple(errors), _identity(number, day, supplier))

    def year(self, text: str) -> int | None:
        """The year of a date."""
        day = self._dates[text]
        return day.year if isinstance(day, date) else None

    def supplier(self, text: str) -> str | None:
        """The `supplier_key` of a supplier."""
        name = self._suppliers[text]
        return supplier_key(name) if isinstance(name, str) else None

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


def identity_of(parsed: ParsedInvoice | Rejected) -> Identity | None:
    """The invoice of a row, if it can be told."""
    if isinstance(parsed, Rejected):
        return parsed.identity
    return Identity(supplier_key(parsed.supplier_name), parsed.invoice_number, parsed.invoice_date.year)


def _identity(number: object, day: object, supplier: object) -> Identity | None:
    if isinstance(number, str) and isinstance(day, date) and isinstance(supplier, str):
        return Identity(supplier_key(supplier), number, day.year)
    return None


def _without_apostrophes(number: str) -> str:
    """The number without those that some programs write around it, so that Excel keeps its zeros: `'0042'`."""
    text = number.strip()
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == "'" and text.count("'") == 2 else number
