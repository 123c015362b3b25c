"""Dry runs: what an import would do, found by the same merge, written to a collection of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from bson import ObjectId
from pymongo import ReplaceOne

from mailroom.invoices.model.merge import Row, merge
from mailroom.platform.mongo import Document, Documents


class Predictions:
    """The invoices as the dry run `run` would have left them: those it touched, in the collection `predictions`.

    Kept there and not in memory, for a file may repeat an invoice at any distance, and so that a dry run continues
    after a crash as any import does. An index lets them expire.
    """

    def __init__(self, collection: Documents, invoices: Documents, run: ObjectId) -> None:
        self._collection = collection
        self._invoices = invoices
        self._run = run

    def write(self, rows: Iterable[Row], import_id: ObjectId, batch_offset: int, now: datetime) -> Counter[str]:
        """Counts what `InvoiceStore.write` would have counted. Repeating a batch changes nothing."""
        groups: dict[ObjectId, list[Row]] = {}
        for row in rows:
            groups.setdefault(row.content["_id"], []).append(row)
        stored = self._stored(list(groups))
        merged = {id_: merge(stored.get(id_), group, import_id, batch_offset, now) for id_, group in groups.items()}
        self._keep([result.document for result in merged.values() if result.document is not None], now)
        return Counter(outcome for result in merged.values() for outcome in result.outcomes.values())

    def _stored(self, ids: list[ObjectId]) -> dict[ObjectId, Document]:
        stored = {document["_id"]: document for document in self._invoices.find({"_id": {"$in": ids}})}
        predicted = self._collection.find({"_id": {"$in": [self._id(id_) for id_ in ids]}})
        return stored | {each["invoice"]["_id"]: each["invoice"] for each in predicted}

    def _keep(self, invoices: list[Document], now: datetime) -> None:
        writes = [
            ReplaceOne({"_id": (id_ := self._id(each["_id"]))}, {"_id": id_, "invoice": each, "createdAt": now}, True)
            for each in invoices
        ]
        if writes:
            self._collection.bulk_write(writes, ordered=False)

    def _id(self, invoice: ObjectId) -> str:
        return f"{self._run}:{invoice}"
