"""Sums of invoices. Amounts of different currencies are never added up: every total is of one currency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError

from mailroom.errors import Invalid
from mailroom.invoices.model.columns import AMOUNTS
from mailroom.platform.keyset import Range
from mailroom.platform.mongo import Document, Documents, time_limit

_KEYS: dict[str, Any] = {
    "supplier": "$supplierKey",
    "month": {"$dateToString": {"format": "%Y-%m", "date": "$invoiceDate"}},
    "status": "$status",
    "currency": "$currency",
}
DIMENSIONS = tuple(_KEYS)


class Totals(msgspec.Struct, frozen=True):
    """A page of groups, in the order of what they have in common.

    A group has `_id` (a value for each dimension), `supplier` (a name as one of the invoices writes it), `count`,
    `grossAmount`, `netAmount` and `vatAmount`. `last` is what the next page begins after, None for the last page.
    """

    items: list[Document]
    last: tuple[str, ...] | None


def read_totals(
    invoices: Documents, listed: Range, by: Sequence[str], limit: int, after: Sequence[str] | None, seconds: float
) -> Totals:
    """A page of sums of the invoices of `listed`, grouped `by` some of `DIMENSIONS`. Reads all these invoices.

    One aggregation, which MongoDB and the driver give up after `seconds`. Each page sums anew, so an import between
    two pages may change what they tell.

    Raises:
        Invalid: these are more invoices than can be summed in this time.
    """
    which = listed.everything()
    pipeline: list[Document] = [{"$match": which}, {"$group": _group(by)}]
    if after is not None:
        pipeline.append({"$match": _beyond(by, after)})
    pipeline += [{"$sort": {f"_id.{name}": 1 for name in by}}, {"$limit": limit + 1}]
    # Without a condition all invoices are read, which is quicker without an index.
    options: dict[str, Any] = {"hint": listed.hint} if listed.hint and which else {}
    try:
        with time_limit(invoices.database, seconds):
            groups = list(invoices.aggregate(pipeline, allowDiskUse=True, **options))
    except PyMongoError as error:
        if error.timeout and not isinstance(error, ServerSelectionTimeoutError):
            raise _too_many() from error
        raise
    items = groups[:limit]
    return Totals(items, tuple(items[-1]["_id"].values()) if len(groups) > limit else None)


def _group(by: Sequence[str]) -> Document:
    return {
        "_id": {name: _KEYS[name] for name in by},
        "supplier": {"$max": "$supplierName"},
        "count": {"$sum": 1},
        **{amount: {"$sum": f"${amount}"} for amount in AMOUNTS},
    }


def _beyond(by: Sequence[str], after: Sequence[str]) -> Document:
    """Groups after the last one of the page before: greater in one dimension, and equal in the dimensions before it."""
    last = [(f"_id.{name}", value) for name, value in zip(by, after, strict=True)]
    return {"$or": [{**dict(last[:index]), name: {"$gt": value}} for index, (name, value) in enumerate(last)]}


def _too_many() -> Invalid:
    return Invalid(
        None,
        "totals.too_many",
        "so many invoices are not summed in time: ask for fewer, such as those of a month with dateFrom and dateTo",
    )
