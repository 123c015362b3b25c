"""Keyset pagination: a page begins after the key of the last item before it, so pages stay stable under inserts.

A page costs at most two queries, each a plain range of one index: first the rest of the value that the page before
ended in (`field` equal, `_id` beyond), then the values beyond it.
"""

from __future__ import annotations

import operator
from collections.abc import Generator, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from bson import ObjectId
from pymongo.cursor import Cursor

from mailroom.platform.mongo import Document, Documents

T = TypeVar("T")

_COMPARE = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}


class Key(msgspec.Struct, frozen=True):
    """The place of an item in the order of a field and, within one value, of `_id`."""

    value: Any
    id: ObjectId | str


class Order(msgspec.Struct, frozen=True):
    """The order of a list: by `field`, then by `_id`, both in the same direction."""

    field: str
    descending: bool = False

    def sort(self) -> list[tuple[str, int]]:
        """The order as the driver takes it."""
        direction = -1 if self.descending else 1
        return [(self.field, direction), ("_id", direction)]

    def key(self, item: Mapping[str, Any]) -> Key:
        """The place of `item` in this order."""
        return Key(item[self.field], item["_id"])


NEWEST_FIRST = Order("createdAt", descending=True)


class KeysetPage(msgspec.Struct, Generic[T], frozen=True):
    """`last` is the key that the next page begins after, or None if this page is the last one."""

    items: list[T]
    last: Key | None


class Range(msgspec.Struct, frozen=True):
    """The documents to list: those that meet `filters`, within `bounds` of the order's field.

    `filters` are conditions on other fields, `bounds` are operators such as `{"$gte": …}`. `hint` names the index that
    serves both with the order: a missing index is then an error, and a server's own choice, which can be wrong where
    many documents have one value, does not matter.
    """

    order: Order
    filters: Document = msgspec.field(default_factory=dict)
    bounds: Document = msgspec.field(default_factory=dict)
    hint: str | None = None

    def everything(self) -> Document:
        """The filter of all documents of the range."""
        return self.filters | ({self.order.field: self.bounds} if self.bounds else {})

    def queries(self, after: Key | None = None) -> list[Document]:
        """The filters of the queries that list everything after `after`, in this order: two at most."""
        if after is None:
            return [self.everything()]
        field, beyond = self.order.field, "$lt" if self.order.descending else "$gt"
        near = {name: bound for name, bound in self.bounds.items() if name.startswith(beyond)}
        far = {name: bound for name, bound in self.bounds.items() if name not in near}
        if not _within(after.value, near):  # the cursor was made with other bounds, and lies before these
            return [self.everything()]
        if not _within(after.value, far):
            return []
        ids = self.filters.get("_id", {}) | {beyond: after.id}
        return [
            self.filters | {field: after.value, "_id": ids},
            self.filters | {field: far | {beyond: after.value}},
        ]

    def read(self, collection: Documents, after: Key | None = None, *, batch_size: int) -> Generator[Document]:
        """All documents after `after`, `batch_size` with each answer of MongoDB. Blocks for these answers."""
        for query in self.queries(after):
            with self._find(collection, query, batch_size=batch_size) as found:
                yield from found

    def page(
        self,
        collection: Documents,
        limit: int,
        after: Key | None = None,
        projection: Mapping[str, Any] | None = None,
    ) -> KeysetPage[Document]:
        """One page. Reads one document more than `limit`, to know whether there is a further page."""
        found: list[Document] = []
        for query in self.queries(after):
            if missing := limit + 1 - len(found):
                found += self._find(collection, query, projection, limit=missing, batch_size=missing).to_list()
        items = found[:limit]
        return KeysetPage(items, self.order.key(items[-1]) if len(found) > limit else None)

    def _find(
        self,
        collection: Documents,
        query: Document,
        projection: Mapping[str, Any] | None = None,
        *,
        batch_size: int,
        limit: int = 0,
    ) -> Cursor[Document]:
        found = collection.find(query, projection, limit=limit, batch_size=batch_size).sort(self.order.sort())
        return found.hint(self.hint) if self.hint else found


def _within(value: Any, bounds: Document) -> bool:
    return all(_COMPARE[name](value, bound) for name, bound in bounds.items())
