"""Turns the records of a file into invoices: each into one or, if the rules say so, several into one.

    records ─┬─ an invoice in each row ──────────────► RowParser ──────► ReadRows
             └─ lines of an invoice ──► GroupReader ──► AddedUpParser ──► ReadRows

This is the definition of what a file holds. The fast path gives the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import RowError
from mailroom.invoices.files.formats.records import Malformed, Record
from mailroom.invoices.files.rejects import Rejected
from mailroom.invoices.files.rows.added_up import AddedUpParser
from mailroom.invoices.files.rows.form import RowForm
from mailroom.invoices.files.rows.grouping import Group, GroupReader
from mailroom.invoices.files.rows.row_parser import RowParser
from mailroom.invoices.files.rows.set_apart import ReportRows, SetApart
from mailroom.invoices.files.rules import Rules
from mailroom.invoices.model.columns import ParsedInvoice


class ReadRow(msgspec.Struct, frozen=True):
    """One invoice, or what is none. `row` and `offset` are those of its first row, `raw` is the text of all rows."""

    row: int
    offset: int
    raw: str
    result: ParsedInvoice | Rejected | SetApart


class ReadRows(msgspec.Struct, frozen=True):
    """Rows between which reading must not begin. `row` is the last one, `end` an offset to go on from."""

    row: int
    end: int
    rows: tuple[ReadRow, ...]


class InvoiceReader:
    """Reads one file; not safe for threads."""

    def __init__(self, dialect: Dialect, rules: Rules) -> None:
        self._parser = RowParser(dialect, rules)
        self._report = ReportRows(dialect, rules)
        self._lines = _LineReader(dialect, rules, self._report) if rules.has_lines else None
        columns = ("invoiceNumber", "invoiceDate", "supplierName")
        self._identity = [dialect.columns.index(column) for column in columns if column in dialect.columns]

    def read(self, records: Iterable[Record | Malformed]) -> Iterator[ReadRows]:
        """The invoices of consecutive records, in their order.

        Reads one record ahead where an invoice may have several rows. Raises FileRejected `file.invoice_too_large`.
        """
        if self._lines:
            yield from self._lines.read(records)
            return
        for record in records:
            yield ReadRows(record.row, record.end, (self.read_one(record),))

    def read_one(self, record: Record | Malformed) -> ReadRow:
        """The invoice of a record of a file in which each invoice has one row."""
        parsed = self._parser.parse(record)
        if isinstance(parsed, Rejected) and isinstance(record, Record):
            if self._report.matches(record):
                return ReadRow(record.row, record.offset, record.raw, SetApart(record.row, record.offset))
            if self._may_continue(record):
                parsed = replace(parsed, errors=(*parsed.errors, _CONTINUES))
        return ReadRow(record.row, record.offset, record.raw, parsed)

    def _may_continue(self, record: Record) -> bool:
        """Whether the row names no invoice, so that it may belong to the row above."""
        fields = record.fields
        return len(self._identity) == 3 and not any(
            index < len(fields) and fields[index].strip() for index in self._identity
        )


_CONTINUES = RowError(
    None,
    "row.continuation",
    "The row has no number, date and supplier. If it belongs to the row above, set continuationRows in a preset.",
)


class _LineReader:
    """Reads files in which an invoice may have several rows."""

    def __init__(self, dialect: Dialect, rules: Rules, report: ReportRows) -> None:
        self._groups = GroupReader(dialect, rules, RowForm(dialect), report)
        self._parser = AddedUpParser(dialect, rules)
        self._report = report
        self._line_end = dialect.line_end

    def read(self, records: Iterable[Record | Malformed]) -> Iterator[ReadRows]:
        for groups in self._groups.read(records):
            last = groups[-1]
            yield ReadRows(last.row, last.end, tuple(self._read(group) for group in groups))

    def _read(self, group: Group) -> ReadRow:
        first = group.first
        result: ParsedInvoice | Rejected | SetApart
        if group.set_apart:
            result = SetApart(first.row, first.offset)
        else:
            result = self._parser.parse(group)
            if isinstance(result, Rejected) and group.is_single and self._report.matches(group.rows[0]):
                result = SetApart(first.row, first.offset)
        return ReadRow(first.row, first.offset, group.raw(self._line_end), result)
