"""Writes batches of invoices, so that repeating a batch changes nothing and counts the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import InsertOne, ReplaceOne
from pymongo.errors import BulkWriteError

from mailroom.errors import Unavailable
from mailroom.invoices.fast import Ready
from mailroom.invoices.merge import INSERTED, Merged, Row, merge
from mailroom.platform.mongo import Document, Documents

Write = InsertOne[Document] | ReplaceOne[Document]

_DUPLICATE_KEY = 11000

# More than a few rounds mean that other imports change the very same invoices all the time.
_ROUNDS = 20


class InvoiceStore:
    """The collection `invoices`, for the importer."""

    def __init__(self, collection: Documents) -> None:
        self._collection = collection

    def write(self, rows: Iterable[Row], import_id: ObjectId, batch_offset: int, now: datetime) -> Counter[str]:
        """Writes a batch with majority and counts the outcomes of its rows.

        New invoices are inserted without a look first, since most are new; those that exist are read, merged and
        replaced where their `order` is still the one that was read. Who loses that race merges again.

        Raises:
            Unavailable: the outcome of some writes is unknown. Repeating the batch is safe.
        """
        groups: dict[ObjectId, list[Row]] = {}
        for row in rows:
            groups.setdefault(row.content["_id"], []).append(row)
        counts: Counter[str] = Counter()

        merged = {id_: merge(None, group, import_id, batch_offset, now) for id_, group in groups.items()}
        existing = self._insert(merged)
        for id_, result in merged.items():
            if id_ not in existing:
                counts.update(result.outcomes.values())
        return counts + self._merge(existing, groups, import_id, batch_offset, now)

    def insert(self, ready: Sequence[Ready], import_id: ObjectId, batch_offset: int, now: datetime) -> Counter[str]:
        """`write` for rows that are documents already, all of different invoices. Raises as `write`."""
        if not ready:
            return Counter()
        existing: dict[ObjectId, list[Row]] = {}
        try:
            self._collection.insert_many([RawBSONDocument(each.document) for each in ready], ordered=False)
        except BulkWriteError as error:
            existing = {(row := ready[at].decoded()).content["_id"]: [row] for at in _duplicates(error)}
        counts = Counter({INSERTED: len(ready) - len(existing)})
        return counts + self._merge(set(existing), existing, import_id, batch_offset, now)

    def _merge(
        self,
        existing: set[ObjectId],
        groups: dict[ObjectId, list[Row]],
        import_id: ObjectId,
        batch_offset: int,
        now: datetime,
    ) -> Counter[str]:
        """Replaces the invoices `existing` by what `groups` make of them."""
        counts: Counter[str] = Counter()
        for _ in range(_ROUNDS):
            if not existing:
                return counts
            existing = self._replace(existing, groups, import_id, batch_offset, now, counts)
        raise Unavailable("other imports keep changing the same invoices")

    def _insert(self, merged: dict[ObjectId, Merged]) -> set[ObjectId]:
        """Inserts all; the ids of those that were there already."""
        return self._write({id_: InsertOne(result.document) for id_, result in merged.items() if result.document})

    def _replace(
        self,
        ids: set[ObjectId],
        groups: dict[ObjectId, list[Row]],
        import_id: ObjectId,
        batch_offset: int,
        now: datetime,
        counts: Counter[str],
    ) -> set[ObjectId]:
        """Merges rows into the stored invoices `ids`; those that somebody else changed meanwhile are returned."""
        stored = {document["_id"]: document for document in self._collection.find({"_id": {"$in": sorted(ids)}})}
        merged = {id_: merge(stored.get(id_), groups[id_], import_id, batch_offset, now) for id_ in ids}
        writes: dict[ObjectId, Write] = {}
        for id_, result in merged.items():
            if result.document is None:
                continue
            if id_ in stored:
                # With the order that was read in the filter, the upsert of what changed since is a duplicate key.
                as_read = {"_id": id_, "order": stored[id_]["order"]}
                writes[id_] = ReplaceOne(as_read, result.document, upsert=True)
            else:
                writes[id_] = InsertOne(result.document)
        lost = self._write(writes)
        for id_ in ids - lost:
            counts.update(merged[id_].outcomes.values())
        return lost

    def _write(self, writes: dict[ObjectId, Write]) -> set[ObjectId]:
        """Sends all writes; the ids of those that met a duplicate key."""
        if not writes:
            return set()
        try:
            self._collection.bulk_write(list(writes.values()), ordered=False)
        except BulkWriteError as error:
            ids = list(writes)
            return {ids[at] for at in _duplicates(error)}
        return set()


def _duplicates(error: BulkWriteError) -> list[int]:
    """The indexes of the writes that met a duplicate key. Raises `Unavailable`, or `error` when others failed."""
    if error.details.get("writeConcernErrors"):
        raise Unavailable("MongoDB could not confirm a write") from error
    if any(each["code"] != _DUPLICATE_KEY for each in error.details["writeErrors"]):
        raise error
    return [each["index"] for each in error.details["writeErrors"]]
