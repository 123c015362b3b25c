"""Sums of invoices. Amounts of different currencies are never added up: every total is of one currency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext, suppress
from decimal import localcontext
from typing import Annotated, Any

import msgspec
from bson.decimal128 import Decimal128, create_decimal128_context
from msgspec import Meta
from pymongo.errors import ExecutionTimeout

from mailroom.invoices.model.decimals import plain_text
from mailroom.platform.clock import Budget
from mailroom.platform.concurrency import ConcurrencyLimit
from mailroom.platform.mongo import Document, Documents
from mailroom.web import paging
from mailroom.web.problems import Problem
from mailroom.web.schemas import Cursor, Money, Schema

_KEYS: dict[str, Any] = {
    "supplier": "$supplierKey",
    "month": {"$dateToString": {"format": "%Y-%m", "date": "$invoiceDate"}},
    "status": "$status",
    "currency": "$currency",
}
DIMENSIONS = tuple(_KEYS)

_AMOUNTS = ("grossAmount", "netAmount", "vatAmount")

# For one part: less than the driver waits for an answer.
_MOST_SECONDS = 9.0


Groups = dict[tuple[str, ...], Document]


class Total(Schema, omit_defaults=True):
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


class TotalPage(Schema):
    items: list[Total]
    next_cursor: Cursor | None


def totals(
    invoices: Documents,
    parts: Iterable[Document],
    query: Mapping[str, str],
    budget: Budget,
    concurrency: ConcurrencyLimit,
) -> TotalPage:
    """A page of totals of the invoices that match one of `parts`, in the order of what they are grouped by.

    No invoice may match two parts. Each is summed by a command of its own, and no more groups are kept than the page
    has: so neither the server nor this process is loaded without end. What takes more than one part takes a slot.
    Every page sums anew, so pages may differ by what was imported in between. Blocks for a read of all matches.

    Raises:
        Problem: 422 for an unknown or repeated dimension, a cursor of another list, or more invoices than are read
            within `budget`; 503 when no slot is free.
    """
    names, limit = _dimensions(query.get("by", "currency")), paging.limit_of(query)
    pipeline: list[Document] = [{"$group": _group(names)}]
    if "cursor" in query:
        pipeline.append({"$match": _after(names, query["cursor"])})
    pipeline += [{"$sort": {f"_id.{name}": 1 for name in names}}, {"$limit": limit + 1}]
    groups: Groups = {}
    all_parts = list(parts)
    with nullcontext() if len(all_parts) == 1 else concurrency.slot():
        for number, part in enumerate(all_parts):
            left = budget.remaining() if number else _MOST_SECONDS  # what one command can tell is always told
            groups = _lowest(limit + 1, groups, _read(invoices, [{"$match": part}, *pipeline], left))
    page = list(groups.items())[:limit]
    cursor = paging.to_cursor([*names, *page[-1][0]]) if len(groups) > limit else None
    return TotalPage(items=[_total(group) for _, group in page], next_cursor=cursor)


def _read(invoices: Documents, pipeline: list[Document], seconds: float) -> Iterable[Document]:
    """Raises `Problem` 422 where that takes longer than `seconds`."""
    most = int(min(seconds, _MOST_SECONDS) * 1000)
    if most > 0:
        with suppress(ExecutionTimeout):
            return list(invoices.aggregate(pipeline, allowDiskUse=True, maxTimeMS=most))
    detail = "so many invoices are not summed in time: ask for fewer, such as those of a month with dateFrom and dateTo"
    raise Problem(422, "totals.too_many", detail)


def _lowest(most: int, groups: Groups, found: Iterable[Document]) -> Groups:
    """Those of both with the lowest keys, in order; what both have is added up.

    One that is among the lowest of all is among the lowest of each part that has it, so that it is never cut off.
    """
    for group in found:
        key = tuple(group["_id"].values())
        groups[key] = _added(groups[key], group) if key in groups else group
    return {key: groups[key] for key in sorted(groups)[:most]}


def _added(one: Document, other: Document) -> Document:
    with localcontext(create_decimal128_context()):
        amounts = {name: Decimal128(one[name].to_decimal() + other[name].to_decimal()) for name in _AMOUNTS}
    supplier = max(one["supplier"], other["supplier"])
    return one | amounts | {"supplier": supplier, "count": one["count"] + other["count"]}


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
        **{amount: {"$sum": f"${amount}"} for amount in _AMOUNTS},
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
