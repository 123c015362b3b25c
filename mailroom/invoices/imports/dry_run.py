"""Dry runs: what an import would do, found by the same merge, written to a collection of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ReplaceOne

from mailroom.invoices.model.merge import Row, by_invoice, merge
from mailroom.platform.mongo import Document, Documents, errors_without_documents


class DryRun(msgspec.Struct, frozen=True):
    """The collection `predictions` holds the invoices that dry runs have touched, as they would have left them.

    They are not kept in memory, since a file may repeat an invoice at any distance, and so that a dry run continues
    after a crash as any import does. An index lets them expire.
    """

    predictions: Documents
    invoices: Documents

    def write(
        self, run: ObjectId, rows: Iterable[Row], import_id: ObjectId, batch_offset: int, now: datetime
    ) -> Counter[str]:
        """Counts what `InvoiceWriter.write` would have counted. `run` is the job. To repeat a batch changes nothing."""
        groups = by_invoice(rows)
        stored = self._stored(run, list(groups))
        merged = {id_: merge(stored.get(id_), group, import_id, batch_offset, now) for id_, group in groups.items()}
        self._keep(run, [result.document for result in merged.values() if result.document is not None], now)
        return Counter(outcome for result in merged.values() for outcome in result.outcomes.values())

    def _stored(self, run: ObjectId, ids: list[ObjectId]) -> dict[ObjectId, Document]:
        stored = {document["_id"]: document for document in self.invoices.find({"_id": {"$in": ids}})}
        predicted = self.predictions.find({"_id": {"$in": [_id(run, id_) for id_ in ids]}})
        return stored | {each["invoice"]["_id"]: each["invoice"] for each in predicted}

    def _keep(self, run: ObjectId, invoices: list[Document], now: datetime) -> None:
        documents = ({"_id": _id(run, each["_id"]), "invoice": each, "createdAt": now} for each in invoices)
        writes = [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in documents]
        if writes:
            with errors_without_documents():
                self.predictions.bulk_write(writes, ordered=False)


def _id(run: ObjectId, invoice: ObjectId) -> str:
    return f"{run}:{invoice}"
