"""One invoice of several rows: amounts are added up, and each row is a line."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import RowError
from mailroom.invoices.files.formats.records import Record
from mailroom.invoices.files.rejects import Rejected
from mailroom.invoices.files.rows.grouping import MAX_LINES, Group, text_key
from mailroom.invoices.files.rows.row_parser import RowParser, identity_of
from mailroom.invoices.files.rules import Rules
from mailroom.invoices.files.values.amounts import read_amount
from mailroom.invoices.files.values.currencies import decimals
from mailroom.invoices.files.values.derived import is_plausible
from mailroom.invoices.model.columns import AMOUNTS, EXTRA_TEXT, LINE_COLUMNS, VAT_RATE, ParsedInvoice, ParsedLine
from mailroom.invoices.model.identity import Identity
from mailroom.invoices.model.texts import BadValue, read_text

_HEADER = ("invoiceNumber", "invoiceDate", "supplierName", "supplierAddress", "currency", "status")
"""What is the same in all rows of an invoice, or only in its first."""
_ANY = Decimal(10) ** 30
"""A tolerance for rows that are not complete by themselves."""


class AddedUpParser:
    """Turns groups of rows into invoices. One per file; not safe for threads."""

    def __init__(self, dialect: Dialect, rules: Rules) -> None:
        self._at = {column: index for index, column in enumerate(dialect.columns) if column}
        self._dialect = dialect
        self._tolerance = rules.amount_tolerance
        mapped = [name for name in AMOUNTS if name in self._at]
        adds_up = rules.line_items == "addUp"
        self._of_lines = [name for name in mapped if adds_up and name not in rules.invoice_amounts]
        self._of_invoice = [name for name in mapped if name not in self._of_lines]
        self._shared = [self._at[name] for name in (*_HEADER, *self._of_invoice) if name in self._at]
        self._extra = [(index, name) for index, _, name in dialect.extra_columns]
        self._keeps_lines = adds_up or not self._at.keys().isdisjoint(LINE_COLUMNS)
        self._parser = RowParser(dialect, rules)
        self._of_parts = RowParser(dialect, replace(rules, amount_tolerance=_ANY)) if self._of_invoice else self._parser

    def parse(self, group: Group) -> ParsedInvoice | Rejected:
        """The invoice, or every reason why the rows are none."""
        if group.broken:
            return self._rejected(group, [group.broken])
        errors = _of_the_whole(group)
        found = errors or self._read(group.rows)
        if isinstance(found, ParsedInvoice):
            return found
        return self._rejected(group, found, identity_of(self._parser.parse(group.rows[0])))

    def _rejected(self, group: Group, errors: Sequence[RowError], identity: Identity | None = None) -> Rejected:
        raw = group.raw(self._dialect.line_end)
        return Rejected(group.first.row, group.first.offset, raw, tuple(errors), identity)

    def _read(self, rows: Sequence[Record]) -> ParsedInvoice | list[RowError]:
        differing = self._differing(rows)
        if differing:
            return differing
        rows = [self._inherited(rows[0], row) for row in rows]
        parts = self._parts(rows)
        if isinstance(parts, list):
            return parts
        first = parts[rows[0].row]
        whole = self._of_parts.parse(self._paired(rows[0], self._of_lines, self._of_invoice))
        if isinstance(whole, Rejected):
            return [error for error in whole.errors if error.column in self._of_invoice] or list(whole.errors)
        added_up = self._added_up(whole, list(parts.values()))
        lines = self._lines(rows, parts, first.currency) if self._keeps_lines else ()
        if not isinstance(added_up, ParsedInvoice):
            return [added_up]
        if isinstance(lines, list):
            return lines
        return replace(added_up, extra=self._kept(first.extra, rows), lines=lines)

    def _differing(self, rows: Sequence[Record]) -> list[RowError]:
        """What should be the same in all rows, and is not."""
        errors = []
        for index in self._shared:
            first = text_key(rows[0].fields[index])
            other = next(
                (row for row in rows if row.fields[index].strip() and text_key(row.fields[index]) != first), None
            )
            if other:
                column = self._dialect.columns[index]
                message = f"Row {other.row} has {other.fields[index].strip()[:40]!r}, row {rows[0].row} {first[:40]!r}."
                advice = "All rows of an invoice must have the same, or only the first."
                errors.append(RowError(column, "row.lines_differ", f"{message} {advice}"))
        return errors

    def _inherited(self, first: Record, row: Record) -> Record:
        """A row with what it has from the first one."""
        fields = list(row.fields)
        for index in self._shared:
            fields[index] = first.fields[index]
        return replace(row, fields=fields)

    def _paired(self, row: Record, to: Sequence[str], source: Sequence[str]) -> Record:
        """If the file has one amount of the invoice and one of its lines, gives both the same value.

        Two amounts would determine the third, which such a row does not have.
        """
        if not (len(to) == len(source) == 1):
            return row
        fields = list(row.fields)
        fields[self._at[to[0]]] = fields[self._at[source[0]]]
        return replace(row, fields=fields)

    def _parts(self, rows: Sequence[Record]) -> dict[int, ParsedInvoice] | list[RowError]:
        """By number, each row that has amounts, as an invoice of its own. Always the first one."""
        parts: dict[int, ParsedInvoice] = {}
        errors: dict[tuple[str | None, str], RowError] = {}
        for row in rows:
            if row is not rows[0] and not any(row.fields[self._at[name]].strip() for name in self._of_lines):
                continue
            parsed = self._of_parts.parse(self._paired(row, self._of_invoice, self._of_lines))
            if isinstance(parsed, ParsedInvoice):
                parts[row.row] = replace(parsed, extra={}) if parts else parsed  # else a long invoice takes much memory
                continue
            paired = self._of_invoice if len(self._of_invoice) == len(self._of_lines) == 1 else ()
            for error in parsed.errors:
                if error.column in paired and len(parsed.errors) > 1:
                    continue
                message = f"Row {row.row}: {error.message}" if len(rows) > 1 else error.message
                errors.setdefault((error.column, error.code), RowError(error.column, error.code, message))
        return list(errors.values()) or parts

    def _added_up(self, first: ParsedInvoice, parts: Sequence[ParsedInvoice]) -> ParsedInvoice | RowError:
        """The first row, with its amounts of the whole invoice, and the others added up."""
        amounts = dict(zip(AMOUNTS, (first.gross_amount, first.net_amount, first.vat_amount), strict=True))
        summed = {
            "grossAmount": sum((part.gross_amount for part in parts), Decimal()),
            "netAmount": sum((part.net_amount for part in parts), Decimal()),
            "vatAmount": sum((part.vat_amount for part in parts), Decimal()),
        }
        derived = {name for part in parts for name in part.derived}
        if not self._of_invoice:
            amounts = summed
        else:
            amounts |= {name: summed[name] for name in self._of_lines}
            if self._of_lines and len(derived) == 1:
                amounts |= _third(amounts, *derived)
        gross, net, vat = (amounts[name] for name in AMOUNTS)
        off = gross - net - vat
        if abs(off) > self._tolerance:
            message = f"Added up, {gross} is not {net} + {vat}: off by {off}, allowed is {self._tolerance}."
            return RowError(AMOUNTS[0], "amount.sum", message)
        if "vatAmount" in derived and not is_plausible(gross, net, vat):
            message = f"Added up, {gross} - {net} = {vat} is no VAT. State it."
            return RowError("vatAmount", "amount.derived", message)
        return replace(
            first,
            gross_amount=gross,
            net_amount=net,
            vat_amount=vat,
            derived=tuple(name for name in AMOUNTS if name in derived),
        )

    def _kept(self, extra: dict[str, str], rows: Sequence[Record]) -> dict[str, str]:
        """The extra columns without those that differ from line to line."""
        kept = dict(extra)
        for index, name in self._extra:
            values = {text_key(row.fields[index]) for row in rows}
            if len(values - {""}) > 1 or (len(values) > 1 and not rows[0].fields[index].strip()):
                kept.pop(name, None)
        return kept

    def _lines(
        self, rows: Sequence[Record], parts: dict[int, ParsedInvoice], currency: str
    ) -> tuple[ParsedLine, ...] | list[RowError]:
        """The lines that have anything."""
        lines: list[ParsedLine] = []
        errors: list[RowError] = []
        for row in rows:
            texts = {
                name: read_text(self._text(row, name), EXTRA_TEXT)
                for name in ("lineNumber", "lineText", "lineQuantity")
            }
            rate = self._text(row, "lineRate") or self._text(row, VAT_RATE)
            texts["lineRate"] = read_text(rate, EXTRA_TEXT)
            net = self._net(row, parts.get(row.row), currency)
            for name, value in (*texts.items(), ("lineNet", net)):
                if isinstance(value, BadValue):
                    errors.append(RowError(name, value.code, f"Row {row.row}: {value.message}"))
            good = [value for value in texts.values() if isinstance(value, str)]
            if not errors and not isinstance(net, BadValue) and (any(good) or net is not None):
                number, text, quantity, rate = good
                lines.append(ParsedLine(number, text, quantity, net, rate))
        return errors or tuple(lines)

    def _net(self, row: Record, part: ParsedInvoice | None, currency: str) -> Decimal | BadValue | None:
        text = self._text(row, "lineNet")
        if text:
            dialect = self._dialect
            return read_amount(text, dialect.decimal_mark, currency, decimals()[currency], dialect.minor_units)
        if part is None or not self._of_lines:
            return None
        is_of_line = not self._of_invoice or ("netAmount" in self._of_lines and "netAmount" not in part.derived)
        return part.net_amount if is_of_line else None

    def _text(self, row: Record, column: str) -> str:
        index = self._at.get(column)
        return "" if index is None else row.fields[index].strip()


def _of_the_whole(group: Group) -> list[RowError]:
    errors = []
    if group.too_many:
        message = f"The invoice has more rows than {MAX_LINES}, or too long ones: up to row {group.row}."
        errors.append(
            RowError(None, "row.too_many_lines", f"{message} The rejects file has the first {len(group.rows)}.")
        )
    if group.beside is not None:
        message = (
            f"Row {group.beside} may be a line of this invoice, and cannot be read. Correct both, and upload them."
        )
        errors.append(RowError(None, "row.beside_broken", message))
    return errors


def _third(amounts: dict[str, Decimal], name: str) -> dict[str, Decimal]:
    gross, net, vat = (amounts[each] for each in AMOUNTS)
    return {name: {"grossAmount": net + vat, "netAmount": gross - vat, "vatAmount": gross - net}[name]}
