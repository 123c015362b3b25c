"""The parameters of a query as the typed filters of the views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from mailroom.errors import Invalid
from mailroom.invoices.views.filters import ImportFilter, InvoiceFilter
from mailroom.invoices.views.totals import DIMENSIONS
from mailroom.platform.keyset import Order
from mailroom.web import paging

T = TypeVar("T")

SORTS = {
    "invoiceDate": Order("invoiceDate"),
    "-invoiceDate": Order("invoiceDate", descending=True),
    "updatedAt": Order("updatedAt"),
    "-updatedAt": Order("updatedAt", descending=True),
}


def invoice_filter(query: Mapping[str, str]) -> InvoiceFilter:
    """Raises `Invalid` for a value that cannot be read."""

    def read(name: str, parse: Callable[[str, str], T]) -> T | None:
        return parse(query[name], name) if name in query else None

    return InvoiceFilter(
        invoice_number=query.get("invoiceNumber"),
        supplier=query.get("supplier"),
        status=query.get("status"),
        currency=query.get("currency"),
        date_from=read("dateFrom", paging.date_parameter),
        date_to=read("dateTo", paging.date_parameter),
        import_id=read("importId", paging.object_id),
        updated_since=read("updatedSince", paging.time_parameter),
        sort=read("sort", _order),
    )


def import_filter(query: Mapping[str, str]) -> ImportFilter:
    """Raises `Invalid`."""
    if query.get("rejected", "true") != "true":
        raise Invalid("rejected", "rejected.invalid", "rejected must be true")
    return ImportFilter(
        bucket=query.get("bucket"),
        key=query.get("key"),
        version_id=query.get("versionId"),
        state=query.get("state"),
        rejected="rejected" in query,
    )


def dimensions(query: Mapping[str, str]) -> list[str]:
    """What totals are grouped by; the currency is always one, and the last. Raises `Invalid`."""
    names = query.get("by", "currency").split(",")
    if any(name not in DIMENSIONS for name in names) or len(set(names)) < len(names):
        message = f"by must be one or more of {', '.join(DIMENSIONS)}, each once, separated by commas"
        raise Invalid("by", "by.invalid", message)
    return [*(name for name in names if name != "currency"), "currency"]


def totals_cursor(by: Sequence[str], last: Sequence[str] | None) -> str | None:
    """The cursor of the page after the group with the values `last`."""
    return None if last is None else paging.to_cursor([*by, *last])


def last_group(query: Mapping[str, str], by: Sequence[str]) -> list[str] | None:
    """The values of the last group of the page before. Raises `Invalid` for the cursor of another list."""
    parts = paging.cursor_values(query, list[str])
    if parts is None:
        return None
    names, values = parts[: len(by)], parts[len(by) :]
    if names != by or len(values) != len(by):
        raise paging.bad_cursor()
    return values


def _order(text: str, field: str) -> Order:
    if text not in SORTS:
        raise Invalid(field, "sort.invalid", f"sort must be one of {', '.join(SORTS)}")
    return SORTS[text]
