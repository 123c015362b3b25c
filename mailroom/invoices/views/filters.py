"""Which filters of lists stand together, and which index serves each combination.

A page reads one index in its order, and nearly every document that it reads is on the page. So the time of a page
depends neither on the number of invoices nor on how many of them meet two filters at once.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import msgspec
from bson import ObjectId
from msgspec.structs import replace

from mailroom.errors import Invalid
from mailroom.invoices.files.values.dates import FIRST_YEAR, LAST_YEAR
from mailroom.invoices.imports.job import REJECTED
from mailroom.invoices.imports.ledger import STATES
from mailroom.invoices.model.columns import LOOKUPS
from mailroom.invoices.model.document import lookup
from mailroom.invoices.model.identity import invoice_id, supplier_key
from mailroom.platform.keyset import NEWEST_FIRST, Order, Range
from mailroom.platform.mongo import Document

_CHANGES = ("importId", "updatedSince")

# The pairs of `LOOKUPS` that stand together.
_NUMBER_OF_SUPPLIER, _STATUS_OF_SUPPLIER = ("invoiceNumber", "supplier"), ("supplier", "status")

_BY_DATE, _BY_CHANGE = Order("invoiceDate", descending=True), Order("updatedAt")

# No invoice changes later than this.
_NEVER = datetime(9999, 12, 31, tzinfo=UTC)


class InvoiceFilter(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The invoices to list. None leaves a condition out. Dates are inclusive; `sort` is None for the default order."""

    invoice_number: str | None = None
    supplier: str | None = None
    status: str | None = None
    currency: str | None = None
    date_from: date | None = None
    date_to: date | None = None
    import_id: ObjectId | None = None
    updated_since: datetime | None = None
    sort: Order | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """The conditions that are there, by their names in the API."""
        names = zip(INVOICE_FILTERS, self.__struct_fields__, strict=False)
        return tuple(name for name, field in names if getattr(self, field) is not None)

    @property
    def order(self) -> Order:
        """The order of the list: newest invoice date first, or with a condition on changes oldest change first."""
        return self.sort or (_BY_CHANGE if set(self.given) & set(_CHANGES) else _BY_DATE)


INVOICE_FILTERS = tuple(name for name in InvoiceFilter.__struct_encode_fields__ if name != "sort")


class ImportFilter(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The imports to list, newest first. None leaves a condition out. `rejected` selects those with rejected rows."""

    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    state: str | None = None
    rejected: bool = False

    @property
    def order(self) -> Order:
        """The order of the list."""
        return NEWEST_FIRST


def plan_invoices(wanted: InvoiceFilter) -> Range:
    """What to read for `wanted`, and through which index. `changed_by_import` narrows it further for `import_id`.

    MongoDB finds an index by its equality. A range without one names its index, so a missing index is an error.

    Raises:
        Invalid: no index serves this combination.
    """
    return _by_change(wanted) if wanted.order.field == "updatedAt" else _by_date(wanted)


def changed_by_import(listed: Range, job: Document | None) -> Range:
    """The part of a list by `updatedAt` in which the invoices of an import are; `job` is None if there is no such one.

    An import changes invoices from its start to its end. After it was cancelled, its last batch may still land.
    """
    if job is None or "startedAt" not in job:
        return replace(listed, bounds={"$gte": _NEVER})
    bounds = {"$gte": max(job["startedAt"], listed.bounds.get("$gte", job["startedAt"]))}
    ends = [job[name] for name in ("finishedAt", "quietAt") if name in job]
    return replace(listed, bounds=bounds | ({"$lte": max(ends)} if ends else {}))


def plan_imports(wanted: ImportFilter) -> Range:
    """What to read for `wanted`, and through which index. A key has few imports: other conditions are checked for each.

    Raises:
        Invalid: the state is unknown, a version is given without its key, or `rejected` beside a key or a state.
    """
    if wanted.state is not None and wanted.state not in STATES:
        raise Invalid("state", "state.unknown", f"state must be one of {', '.join(STATES)}")
    if wanted.version_id is not None and wanted.key is None:
        raise _unserved("versionId", "needs key beside it")
    if wanted.rejected:
        return _with_rejects(wanted)
    hint = "createdAt" if wanted.key is None and wanted.state is None else None
    return Range(wanted.order, msgspec.to_builtins(wanted), hint=hint)


def _with_rejects(wanted: ImportFilter) -> Range:
    if wanted.key is not None or wanted.state is not None:
        raise _unserved("rejected", "cannot be combined with key or state")
    bucket = {} if wanted.bucket is None else {"bucket": wanted.bucket}
    return Range(wanted.order, bucket | {REJECTED: {"$gt": 0}}, hint="rejected")


def _by_change(wanted: InvoiceFilter) -> Range:
    if others := [name for name in wanted.given if name not in _CHANGES]:
        raise _unserved(others[0], "cannot be combined with importId, updatedSince or a sort by updatedAt")
    changed_by = {} if wanted.import_id is None else {"changedBy": wanted.import_id}
    since = {} if wanted.updated_since is None else {"$gte": wanted.updated_since}
    return Range(wanted.order, changed_by, since, hint="updatedAt")


def _by_date(wanted: InvoiceFilter) -> Range:
    if changes := [name for name in wanted.given if name in _CHANGES]:
        raise _unserved(changes[0], "cannot be combined with a sort by invoiceDate")
    names = tuple(name for name in wanted.given if name in LOOKUPS)
    if len(names) > 1 and names not in (_NUMBER_OF_SUPPLIER, _STATUS_OF_SUPPLIER):
        raise _unserved(names[-1], f"cannot be combined with {' and '.join(names[:-1])}")
    supplier = None if wanted.supplier is None else supplier_key(wanted.supplier)
    listed = Range(wanted.order, bounds=_date_bounds(wanted))
    if supplier is not None and wanted.invoice_number is not None:
        ids = {"_id": {"$in": _ids(supplier, wanted.invoice_number, wanted)}}
        return replace(listed, filters=ids | {"invoiceNumber": wanted.invoice_number})
    if supplier is not None and wanted.status is not None:
        return replace(listed, filters={"supplierKey": supplier, "status": wanted.status})
    values = (wanted.invoice_number, supplier, wanted.status, wanted.currency)
    entries = [lookup(name, value) for name, value in zip(LOOKUPS, values, strict=True) if value is not None]
    return replace(listed, filters={"lookups": entries[0]}) if entries else replace(listed, hint="invoiceDate")


def _ids(supplier: str, number: str, wanted: InvoiceFilter) -> list[ObjectId]:
    """The `_id`s of a number of a supplier: one for each year. They are those of other spellings of the number too."""
    first = max(FIRST_YEAR, wanted.date_from.year) if wanted.date_from else FIRST_YEAR
    last = min(LAST_YEAR, wanted.date_to.year) if wanted.date_to else LAST_YEAR
    return [invoice_id(supplier, number, year) for year in range(first, last + 1)]


def _date_bounds(wanted: InvoiceFilter) -> Document:
    """From the beginning of the first day to the end of the last one."""
    ends = (("$gte", wanted.date_from, time.min), ("$lte", wanted.date_to, time.max))
    return {operator: datetime.combine(day, at, UTC) for operator, day, at in ends if day is not None}


def _unserved(field: str, why: str) -> Invalid:
    instead = "leave it out and choose among the invoices that come, or see /totals with by"
    return Invalid(field, "query.unserved", f"{field} {why}, for no index serves that: {instead}")
