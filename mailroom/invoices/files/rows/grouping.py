"""Finds the rows of each invoice, in files that have a row for each line.

Rows of one invoice follow one another: they have the same number, and the same supplier, date and currency or none.
With `continuation_rows`, a row without number, date and supplier belongs to the invoice above.

A row that cannot be read, or that names no invoice, may be a line of the invoice before it or after it. Neither is
whole without it, so both are rejected. A status that no invoice may have rules that out. To see this, an import must
not begin between them: they come as one unit.

    unit = group  |  group, broken row, group  |  group, broken row, group, broken row, group  | …
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import FileRejected, RowError
from mailroom.invoices.files.formats.records import Malformed, Record
from mailroom.invoices.files.rejects import Rejected
from mailroom.invoices.files.rows.form import RowForm
from mailroom.invoices.files.rows.set_apart import ReportRows
from mailroom.invoices.files.rules import Rules
from mailroom.invoices.model.statuses import Statuses
from mailroom.invoices.model.texts import BadValue
from mailroom.platform.normalization import normalize

MAX_LINES = 1_000
"""Rows of one invoice."""
_MAX_INVOICE_BYTES = 1 << 20
"""Of the rows of one invoice that are held."""
_MAX_UNIT_BYTES = 16 << 20
"""Of rows between which no import can begin. No file may keep a worker busy without end."""
_MAX_UNIT_HELD = 4 << 20
"""Of these rows in memory, each with `_ROW_BYTES` of its own."""
_ROW_BYTES = 1_000


class Group(msgspec.Struct):
    """The rows of one invoice, with as many fields as the header; or one row that is no invoice.

    `broken` says why a row cannot be read. `beside` is the number of a broken row before or after the invoice. If the
    invoice has `too_many` rows, `rows` are the first ones.
    """

    first: Record | Malformed
    row: int
    end: int
    rows: list[Record]
    broken: RowError | None = None
    set_apart: bool = False
    beside: int | None = None
    too_many: bool = False
    held: int = 0

    @property
    def is_invoice(self) -> bool:
        return self.broken is None and not self.set_apart

    @property
    def is_single(self) -> bool:
        """Whether it is one whole row."""
        return len(self.rows) == 1 and self.row == self.first.row and self.beside is None

    def raw(self, line_end: str) -> str:
        """The text of its rows."""
        return line_end.join(row.raw for row in self.rows) if self.rows else self.first.raw

    def drop_fields(self) -> None:
        """Frees memory: of later rows that are rejected anyway, only the text is needed."""
        for row in self.rows[1:]:
            row.fields = []

    def add(self, record: Record) -> None:
        self.row, self.end = record.row, record.end
        self.held += len(record.raw)
        if len(self.rows) >= MAX_LINES or (self.held > _MAX_INVOICE_BYTES and self.rows):
            self.too_many = True
        if not self.too_many:
            self.rows.append(record)


class GroupReader:
    """Reads the groups of one file."""

    def __init__(self, dialect: Dialect, rules: Rules, form: RowForm, report: ReportRows) -> None:
        at = {column: index for index, column in enumerate(dialect.columns) if column}
        self._number = at["invoiceNumber"]
        self._date = at.get("invoiceDate")
        self._named = [at[column] for column in ("invoiceDate", "supplierName") if column in at]
        self._same = [at[column] for column in ("supplierName", "invoiceDate", "currency") if column in at]
        self._status = at.get("status") if rules.statuses else None
        self._statuses = Statuses(rules.statuses)
        self._adds_up = rules.line_items == "addUp"
        self._continues = rules.continuation_rows
        self._form = form
        self._report = report

    def read(self, records: Iterable[Record | Malformed]) -> Iterator[list[Group]]:
        """Units, each of one group or more. Reads one record ahead. Raises FileRejected `file.invoice_too_large`."""
        unit: list[Group] = []
        for record in records:
            above = unit[-1] if unit else None
            group = self._group(record, above)
            if group is None:
                _check(unit)
                continue
            if above and above.beside is not None:
                above.drop_fields()
            if above and (above.is_invoice or group.is_invoice) and (above.broken or group.broken):
                _set_beside(above, group)
            elif unit:
                yield unit
                unit = []
            unit.append(group)
            _check(unit)
        if unit:
            yield unit

    def _group(self, record: Record | Malformed, above: Group | None) -> Group | None:
        """The group that begins with a record; None if it was added to the one above."""
        if isinstance(record, Malformed):
            return _broken(record, record.error)
        fitted = self._form.fitted(record)
        if isinstance(fitted, Rejected):
            return _set_apart(record) if self._report.matches(record) else _broken(record, fitted.errors[0])
        fields = fitted.fields
        if not fields[self._number].strip():
            if self._report.matches(record):
                return _set_apart(record)
            if self._has_other_status(fields):
                return _single(record, fitted)
            if not self._continues or any(fields[index].strip() for index in self._named):
                return _broken(record, _NO_NUMBER)
            if above is None or not above.is_invoice:
                return _broken(record, _NOTHING_ABOVE)
            above.add(fitted)
            return None
        if self._adds_up and above and above.is_invoice and self._is_same(above.rows[0].fields, fields):
            above.add(fitted)
            return None
        if self._date is not None and not fields[self._date].strip() and self._report.matches(record):
            return _set_apart(record)
        return _single(record, fitted)

    def _has_other_status(self, fields: list[str]) -> bool:
        """Whether the row has a status that no invoice may have. The lines of an invoice have its status, or none."""
        text = "" if self._status is None else fields[self._status].strip()
        return bool(text) and isinstance(self._statuses.read(text), BadValue)

    def _is_same(self, first: list[str], fields: list[str]) -> bool:
        if _number_key(first[self._number]) != _number_key(fields[self._number]):
            return False
        return all(
            not fields[index].strip() or text_key(fields[index]) == text_key(first[index]) for index in self._same
        )


_NO_NUMBER = RowError(
    "invoiceNumber",
    "row.continuation",
    "The row has no invoice number. If such rows belong to the row above, set continuationRows in a preset.",
)
_NOTHING_ABOVE = RowError(
    "invoiceNumber", "row.continuation", "The row has no invoice number, and no invoice is above it."
)


def text_key(text: str) -> str:
    """A text as two rows of an invoice are compared."""
    return " ".join(normalize("NFKC", text).split())


def _number_key(text: str) -> str:
    return normalize("NFKC", text).strip()


def _broken(record: Record | Malformed, error: RowError) -> Group:
    return Group(record, record.row, record.end, [], broken=error, held=len(record.raw))


def _single(record: Record, fitted: Record) -> Group:
    group = Group(record, record.row, record.end, [])
    group.add(fitted)
    return group


def _set_apart(record: Record) -> Group:
    return Group(record, record.row, record.end, [], set_apart=True)


def _set_beside(above: Group, below: Group) -> None:
    if above.broken and below.is_invoice:
        below.beside = above.row
    elif below.broken and above.is_invoice and above.beside is None:
        above.beside = below.row


def _check(unit: list[Group]) -> None:
    """Raises FileRejected when a unit grows without end."""
    if unit[-1].held > _MAX_UNIT_BYTES:
        message = f"The invoice from row {unit[-1].first.row} on has more than {_MAX_UNIT_BYTES >> 20} MiB."
        raise FileRejected("file.invoice_too_large", f"{message} Is the right column mapped to the invoice number?")
    if sum(min(group.held, _MAX_INVOICE_BYTES) + _ROW_BYTES for group in unit) > _MAX_UNIT_HELD:
        error = next(group.broken.message for group in unit if group.broken)
        message = f"From row {unit[0].first.row} on, no invoice is whole, since rows beside them cannot be read."
        raise FileRejected("file.invoice_too_large", f"{message} The first one: {error}")
