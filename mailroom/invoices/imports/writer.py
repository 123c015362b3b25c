"""Writes batches of rows, so that to repeat a batch changes nothing and counts the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from bson import ObjectId
from pymongo import InsertOne, ReplaceOne
from pymongo.errors import BulkWriteError

from mailroom.errors import Unavailable
from mailroom.invoices.columnar import EncodedRows, RowBatch
from mailroom.invoices.imports.dry_run import DryRun
from mailroom.invoices.imports.glued_batch import GluedBatch
from mailroom.invoices.imports.job import COUNTS, Checkpoint, Chunk, ImportJob
from mailroom.invoices.imports.rejects import Rejects
from mailroom.invoices.imports.repeats import Repeats, find_repeats
from mailroom.invoices.imports.uncounted import UncountedRows
from mailroom.invoices.model.merge import INSERTED, STALE, UNCHANGED, Merged, Row, by_invoice, merge, written_rows
from mailroom.platform.mongo import DUPLICATE_KEY, Document, Documents, errors_without_documents

Write = InsertOne[Document] | ReplaceOne[Document]

# Of the documents of one command: the driver holds them three times.
_PORTION_BYTES = 3 << 20

# Invoices read back at a time, and held decoded when they differ.
_LOOKED_UP = 1000

# More than a few rounds mean that other imports change the very same invoices all the time.
_ROUNDS = 20


class BatchWriter(msgspec.Struct, frozen=True):
    """Writes the rejected rows, and the invoices of the others. A dry run writes its invoices apart."""

    invoices: InvoiceWriter
    dry_run: DryRun
    rejects: Rejects

    def write(self, job: ImportJob, batch: RowBatch, before: Checkpoint | Chunk) -> Counter[str]:
        """Writes a batch that begins at `before`; its counts.

        To repeat a batch changes nothing and counts the same. Raises as `InvoiceWriter.write`.
        """
        self.rejects.add(job.id, batch.rejected, before, batch.stamp.now)
        counts = Counter(dict.fromkeys(COUNTS, 0))
        counts.update(self._write_rows(job, batch, before.offset))
        counts.update(rows=batch.count, rejected=len(batch.rejected), setApart=batch.set_apart)
        return counts

    def _write_rows(self, job: ImportJob, batch: RowBatch, offset: int) -> Counter[str]:
        now = batch.stamp.now
        if job.dry_run:
            return self.dry_run.write(job.id, batch.all_rows(), job.writes_as, offset, now)
        if not batch.distinct:
            return self.invoices.write(batch.all_rows(), job.writes_as, offset, now)
        counts = self.invoices.insert(batch.encoded, job.writes_as, offset, now)
        return counts + self.invoices.write(batch.rows, job.writes_as, offset, now)


class _Merge(msgspec.Struct, frozen=True):
    """`merge` for the rows of a batch."""

    import_id: ObjectId
    batch_offset: int
    now: datetime
    uncounted: UncountedRows

    def __call__(self, stored: Document | None, rows: Sequence[Row]) -> Merged:
        return merge(stored, rows, self.import_id, self.batch_offset, self.now, self.uncounted)


class InvoiceWriter:
    """The collection `invoices`, for the importer."""

    def __init__(self, collection: Documents, imports: Documents) -> None:
        """`imports` is the collection of the jobs: these tell which rows are counted."""
        self._collection = collection
        self._imports = imports
        # Whether most of the last rows were stored already. Then the next ones are looked up first: each insert of a
        # stored invoice fails.
        self._repeating = False

    def write(self, rows: Iterable[Row], import_id: ObjectId, batch_offset: int, now: datetime) -> Counter[str]:
        """Writes a batch with majority and counts the outcomes of its rows.

        Invoices are inserted without a look first, since most are new. Those that exist are read, merged and replaced
        if their `order` is still the one that was read. A writer that loses this race merges again.

        Raises:
            Unavailable: the outcome of some writes is unknown. Repeating the batch is safe.
        """
        groups = by_invoice(rows)
        merge_ = _Merge(import_id, batch_offset, now, UncountedRows(self._imports))
        merged = {id_: merge_(None, group) for id_, group in groups.items()}
        counts: Counter[str] = Counter()
        existing = self._insert(merged)
        for id_, result in merged.items():
            if id_ not in existing:
                counts.update(result.outcomes.values())
        return counts + self._merge(existing, groups, merge_)

    def insert(self, rows: EncodedRows | None, import_id: ObjectId, batch_offset: int, now: datetime) -> Counter[str]:
        """`write` for rows that are documents already, all of different invoices. Raises as `write`."""
        counts: Counter[str] = Counter()
        if rows is None:
            return counts
        merge_ = _Merge(import_id, batch_offset, now, UncountedRows(self._imports))
        for first, last, documents in rows.portions(_PORTION_BYTES):
            indexes: Sequence[int] = range(first, last)
            if not self._repeating:
                duplicates = [first + at for at in self._insert_raw(documents)]
                counts[INSERTED] += len(indexes) - len(duplicates)
                indexes = duplicates
            present = 0
            for at in range(0, len(indexes), _LOOKED_UP):
                some = indexes[at : at + _LOOKED_UP]
                repeats = find_repeats(self._collection, rows, some, import_id, merge_.uncounted)
                present += len(some) - repeats.missing
                counts.update(self._write_repeats(repeats, rows, merge_))
            self._repeating = 2 * present > last - first
        return counts

    def _write_repeats(self, repeats: Repeats, rows: EncodedRows, merge_: _Merge) -> Counter[str]:
        counts, others = Counter({STALE: repeats.stale}), repeats.others
        if self._update(repeats):
            counts[UNCHANGED] += len(repeats.updated)
        else:
            # Somebody changed some of them meanwhile. `merge` sees which of the others were updated.
            others = others + repeats.updated
        groups = {row.content["_id"]: [row] for row in map(rows.decoded, others)}
        return counts + self._merge(set(groups), groups, merge_)

    def _update(self, repeats: Repeats) -> bool:
        """Whether all invoices to be updated were still as they had been read."""
        if not repeats.updates:
            return True
        reply = self._collection.database.command(self._command("update", "updates", repeats.updates))
        if _duplicates(reply):
            raise BulkWriteError(dict(reply))
        return bool(reply["n"] == len(repeats.updated))

    def _insert_raw(self, documents: bytes) -> list[int]:
        """Inserts documents that follow one another; the indexes of those that were there already."""
        command = self._command("insert", "documents", [GluedBatch(documents)])
        return _duplicates(self._collection.database.command(command))

    def _command(self, name: str, argument: str, values: Sequence[Any]) -> Document:
        concern = self._collection.write_concern.document
        return {name: self._collection.name, "ordered": False, "writeConcern": concern, argument: values}

    def _merge(self, existing: set[ObjectId], groups: dict[ObjectId, list[Row]], merge_: _Merge) -> Counter[str]:
        """Replaces the invoices `existing` by what `groups` make of them."""
        counts: Counter[str] = Counter()
        for _ in range(_ROUNDS):
            if not existing:
                return counts
            existing = self._replace(existing, groups, merge_, counts)
        raise Unavailable("other imports keep changing the same invoices")

    def _insert(self, merged: dict[ObjectId, Merged]) -> set[ObjectId]:
        """Inserts all; the ids of those that were there already."""
        return self._write({id_: InsertOne(result.document) for id_, result in merged.items() if result.document})

    def _replace(
        self, ids: set[ObjectId], groups: dict[ObjectId, list[Row]], merge_: _Merge, counts: Counter[str]
    ) -> set[ObjectId]:
        """Merges rows into the stored invoices `ids`; the ids of those that somebody else changed meanwhile."""
        stored = {document["_id"]: document for document in self._collection.find({"_id": {"$in": sorted(ids)}})}
        merge_.uncounted.read({row.import_id for document in stored.values() for row in written_rows(document)})
        merged = {id_: merge_(stored.get(id_), groups[id_]) for id_ in ids}
        writes: dict[ObjectId, Write] = {}
        for id_, result in merged.items():
            if result.document is None:
                continue
            if id_ in stored:
                # The filter has the order that was read. If it has changed since, the upsert is a duplicate key.
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
            with errors_without_documents():
                self._collection.bulk_write(list(writes.values()), ordered=False)
        except BulkWriteError as error:
            ids = list(writes)
            return {ids[at] for at in _duplicates(error.details)}
        return set()


def _duplicates(reply: Mapping[str, Any]) -> list[int]:
    """The indexes of the writes that met a duplicate key.

    Raises Unavailable when the outcome of the writes is unknown, and BulkWriteError when others failed.
    """
    if reply.get("writeConcernErrors") or reply.get("writeConcernError"):
        raise Unavailable("MongoDB could not confirm a write")
    errors = reply.get("writeErrors", [])
    if any(each["code"] != DUPLICATE_KEY for each in errors):
        raise BulkWriteError(dict(reply))
    return [each["index"] for each in errors]
