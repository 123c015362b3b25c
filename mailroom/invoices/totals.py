"""Sums of invoices. Amounts of different currencies are never added up: every total is of one currency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mailroom.invoices.amounts import plain_text
from mailroom.invoices.shapes import Shape
from mailroom.platform import paging
from mailroom.platform.contract import Cursor, Money
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.problems import Problem

_KEYS: dict[str, Any] = {
    "supplier": "$supplierKey",
    "month": {"$dateToString": {"format": "%Y-%m", "date": "$invoiceDate"}},
    "status": "$status",
    "currency": "$currency",
}
DIMENSIONS = tuple(_KEYS)

# A sum over everything reads everything. Longer than this it is refused (503), rather than load the server without end.
_MOST_MILLISECONDS = 9000


class Total(Shape, omit_defaults=True):
    """The invoices that have these in common. Of `supplier`, `month` and `status` those are there that `by` names.

    `supplier` is a name as one of the invoices writes it; names that differ only in case or spaces are one supplier.
    """

    currency: str
    count: int
    gross_amount: Money
    net_amount: Money
    vat_amount: Money
    supplier: str | msgspec.UnsetType = msgspec.UNSET
    month: Annotated[str, Meta(pattern=r"^\d{4}-\d\d$")] | msgspec.UnsetType = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET


class TotalPage(Shape):
    items: list[Total]
    next_cursor: Cursor | None


def totals(invoices: Documents, filters: Document, query: Mapping[str, str]) -> TotalPage:
    """A page of totals of the invoices that match `filters`, in the order of what they are grouped by.

    Every page sums anew, so pages may differ by what was imported in between. Blocks for a read of all matches.

    Raises:
        Problem: 422 for an unknown or repeated dimension, or a cursor of another list.
    """
    names, limit = _dimensions(query.get("by", "currency")), paging.limit_of(query)
    pipeline: list[Document] = [{"$match": filters}, {"$group": _group(names)}]
    if "cursor" in query:
        pipeline.append({"$match": _after(names, query["cursor"])})
    pipeline += [{"$sort": {f"_id.{name}": 1 for name in names}}, {"$limit": limit + 1}]
    found = list(invoices.aggregate(pipeline, allowDiskUse=True, maxTimeMS=_MOST_MILLISECONDS))
    more = len(found) > limit
    cursor = paging.to_cursor([*names, *found[limit - 1]["_id"].values()]) if more else None
    return TotalPage(items=[_total(group) for group in found[:limit]], next_cursor=cursor)


def _dimensions(text: str) -> list[str]:
    names = text.split(",")
    if any(name not in DIMENSIONS for name in names) or len(set(names)) < len(names):
        detail = f"by must be one or more of {', '.join(DIMENSIONS)}, each once, separated by commas"
        raise Problem(422, "by.invalid", detail, field="by")
    return [*(name for name in names if name != "currency"), "currency"]


def _group(names: list[str]) -> Document:
    return {
        "_id": {name: _KEYS[name] for name in names},
        "supplier": {"$max": "$supplierName"},
        "count": {"$sum": 1},
        **{amount: {"$sum": f"${amount}"} for amount in ("grossAmount", "netAmount", "vatAmount")},
    }


def _after(names: list[str], cursor: str) -> Document:
    """Groups behind the last one of the page before: greater in one dimension, and equal in those before it."""
    parts = paging.from_cursor(cursor)
    values = parts[len(names) :]
    if parts[: len(names)] != names or len(values) != len(names) or not all(isinstance(each, str) for each in values):
        raise paging.bad_cursor()
    last = [(f"_id.{name}", value) for name, value in zip(names, values, strict=True)]
    return {"$or": [{**dict(last[:index]), name: {"$gt": value}} for index, (name, value) in enumerate(last)]}


def _total(group: Document) -> Total:
    shown = group["_id"] | ({"supplier": group["supplier"]} if "supplier" in group["_id"] else {})
    return Total(
        **shown,
        count=group["count"],
        gross_amount=plain_text(group["grossAmount"]),
        net_amount=plain_text(group["netAmount"]),
        vat_amount=plain_text(group["vatAmount"]),
    )
