"""Compares the rows of a file with one another, before its first batch is written.

Rows of one invoice that differ are all rejected: the last one would replace the others and what is stored, though it
may be one line of the invoice. A file of one batch is compared in memory. The importer goes through a larger one
beforehand, under the lease of its job:

    scan: a key of each row ──> keys ──> repeated keys ──> look: the rows with these keys ──> invoices that differ
                                             └─ none, as in most files: done

A key has 64 bits. About `MOST_KEYS` of them are in memory at a time; more are stored in parts, by their first bits.
Equal keys are in one part, so each part is searched by itself. One look serves as many parts as have about `MOST_KEYS`
repeated keys.

The collection `comparisons` holds the parts and, for each invoice of several rows, their numbers and whether they
differ. To write either again after a crash changes nothing. Both are removed when the import is done, failed or
superseded. What a cancelled import or a crash leaves expires. A backup has neither: after a restore, imports that run
compare their rows anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from mailroom.errors import Unavailable
from mailroom.invoices.columnar import RowBatch
from mailroom.invoices.columnar.compared import MOST_ROWS_NAMED, ComparedRow, SameInvoice, by_invoice
from mailroom.invoices.files import RowError, Rules
from mailroom.invoices.imports.job import Comparison, ImportJob
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.slices import SliceBudget
from mailroom.invoices.imports.source import ImportSource
from mailroom.platform.mongo import DUPLICATE_KEY, Documents, errors_without_documents

if TYPE_CHECKING:
    import pyarrow as pa

    from mailroom.invoices.columnar.keys import HeldKeys

MOST_KEYS = 1 << 19

# Invoices in one command: a block of rows may have tens of thousands.
_AT_ONCE = 1000


class RowComparison(msgspec.Struct, frozen=True):
    """The comparison of the rows of a file. `collection` is `comparisons`."""

    ledger: Ledger
    collection: Documents

    def is_due(self, job: ImportJob) -> bool:
        """Whether rows must be compared before the next batch is written.

        An import that was under way when this version came has no comparison, and goes on without.
        """
        if job.comparison:
            return not job.comparison.done
        return job.checkpoint.offset == 0 and not job.chunks

    def run(self, job: ImportJob, source: ImportSource, budget: SliceBudget) -> ImportJob | None:
        """Compares all rows, from where the last slice stopped.

        Returns the leased job, or None if the budget ran out and the job was put aside.
        Raises `LeaseLost`, and as `ImportSource.read`.
        """
        if not _of(job).begun:
            job = replace(job, comparison=Comparison(begun=job.epoch))
        if not _of(job).scanned:
            scanned = self._scan(job, source, budget)
            if scanned is None:
                return None
            job = scanned
        return job if _of(job).done else self._look(job, source, budget)

    def refuse(self, job: ImportJob, rules: Rules, batch: RowBatch) -> Mapping[bytes, RowError]:
        """The invoices of a batch whose rows differ within the file, with the error for these rows."""
        if not _of(job).looked:
            return {}
        ids = {_name(job, id_): id_ for id_ in batch.ids}
        names = list(ids)
        found: dict[bytes, RowError] = {}
        for at in range(0, len(names), _AT_ONCE):
            for document in self.collection.find({"_id": {"$in": names[at : at + _AT_ONCE]}}):
                same = msgspec.convert(document, SameInvoice)
                if same.differs:
                    found[ids[document["_id"]]] = same.error(add_up=rules.line_items == "addUp")
        return found

    def remove(self, job: ImportJob) -> None:
        """Removes what is stored of the comparison. The job has ended."""
        if job.comparison and (job.comparison.portions or job.comparison.looked):
            # Those of a retry, which a worker that stood still must not remove, began later.
            self.collection.delete_many({"importId": job.id, "begun": {"$lte": job.comparison.begun}})

    def _scan(self, job: ImportJob, source: ImportSource, budget: SliceBudget) -> ImportJob | None:
        """Makes the keys of all rows; returns as `run`. If they are few and all different, the comparison is done."""
        from mailroom.invoices.columnar.keys import HeldKeys  # loads pyarrow

        state, keys = _of(job), HeldKeys()
        begin = state
        found = source.keys(state.offset, state.row, job.leased_at, partial(self.ledger.renew, job))
        if source.rules.line_items == "lastWins":
            return self._save(job, replace(state, scanned=True, done=True), source)
        for rows in found:
            if state != begin and budget.spent():
                self._put_aside(job, self._store(job, state, keys), source)
                return None
            keys.add(rows.keys)
            state = replace(state, offset=rows.end, row=rows.row)
            if len(keys) >= MOST_KEYS:
                state = self._store(job, state, keys)
                job = self._save(job, state, source)
        if not state.portions and not len(keys.repeated()):
            return self._save(job, replace(state, scanned=True, done=True), source)
        state = self._store(job, state, keys)
        return self._save(job, replace(state, scanned=True, offset=0, row=0), source)

    def _look(self, job: ImportJob, source: ImportSource, budget: SliceBudget) -> ImportJob | None:
        """Notes the invoices of all rows whose keys are repeated; returns as `run`."""
        state = begin = _of(job)
        while not state.done:
            wanted, following = self._repeated(job, state)
            if len(wanted):
                renew = partial(self.ledger.renew, job)
                found = source.rows(wanted, state.offset, state.row, job.leased_at, renew)
                for rows in found:
                    if state != begin and budget.spent():
                        self._put_aside(job, state, source)
                        return None
                    state = replace(state, offset=rows.end, row=rows.row, looked=state.looked or bool(rows.rows))
                    if rows.rows:
                        self._note(job, rows.rows)
                        job = self._save(job, state, source)
            state = replace(state, part=following or 0, offset=0, row=0, done=following is None)
            job = self._save(job, state, source)
        return job

    def _repeated(self, job: ImportJob, state: Comparison) -> tuple[pa.Array, int | None]:
        """The repeated keys of parts, from the next one on, and the part after these. None: there is none."""
        from mailroom.invoices.columnar.keys import PARTS, HeldKeys, joined

        found: list[pa.Array] = []
        for part in range(state.part, PARTS):
            keys = HeldKeys()
            for document in self.collection.find({"importId": job.id, "part": part}):
                if document["portion"] in state.portions:
                    keys.add_bytes(document["keys"])
            found.append(keys.repeated())
            if sum(map(len, found)) >= MOST_KEYS and part + 1 < PARTS:
                return joined(found), part + 1
        return joined(found), None

    def _store(self, job: ImportJob, state: Comparison, keys: HeldKeys) -> Comparison:
        """Stores the held keys and clears them. A portion counts only once the job lists it."""
        portion = f"{job.epoch:x}.{state.offset:x}"
        documents = [
            {
                "_id": f"{job.id}:{portion}:{part}",
                "importId": job.id,
                "begun": state.begun,
                "part": part,
                "portion": portion,
                "keys": some,
                "createdAt": job.leased_at,
            }
            for part, some in keys.parts()
        ]
        keys.clear()
        if not documents:
            return state
        self.collection.insert_many(documents, ordered=False)
        return replace(state, portions=(*state.portions, portion))

    def _note(self, job: ImportJob, rows: Iterable[ComparedRow]) -> None:
        """Adds rows to what is stored of their invoices. Rows that have been added before are left out."""
        invoices = list(by_invoice(rows).items())
        for at in range(0, len(invoices), _AT_ONCE):
            self._add([_addition(job, id_, same) for id_, same in invoices[at : at + _AT_ONCE]])

    def _add(self, writes: Sequence[UpdateOne]) -> None:
        try:
            with errors_without_documents():
                self.collection.bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            if error.details["writeConcernErrors"]:
                raise Unavailable("MongoDB could not confirm a write") from error
            if any(each["code"] != DUPLICATE_KEY for each in error.details["writeErrors"]):
                raise

    def _save(self, job: ImportJob, state: Comparison, source: ImportSource) -> ImportJob:
        return self.ledger.save_comparison(job, state, msgspec.to_builtins(source.dialect))

    def _put_aside(self, job: ImportJob, state: Comparison, source: ImportSource) -> None:
        """Leaves the rest to a later slice."""
        self.ledger.release(self._save(job, state, source))


def compare_anew(imports: Documents) -> None:
    """After a restore: makes the imports that are not over compare their rows anew."""
    imports.update_many({"comparison": {"$exists": True}, "dueAt": {"$exists": True}}, {"$set": {"comparison": {}}})


def _of(job: ImportJob) -> Comparison:
    return job.comparison or Comparison()


def _name(job: ImportJob, invoice: bytes) -> str:
    """The id of what is stored of an invoice."""
    return f"{job.id}:{_of(job).begun:x}:{invoice.hex()}"


def _addition(job: ImportJob, invoice: bytes, same: SameInvoice) -> UpdateOne:
    """Adds rows of an invoice once: later, the stored `last` is not before them, and the insert is a duplicate."""
    return UpdateOne(
        {"_id": _name(job, invoice), "last": {"$lt": same.first}},
        {
            "$setOnInsert": {
                "importId": job.id,
                "begun": _of(job).begun,
                "createdAt": job.leased_at,
                "first": same.first,
            },
            "$set": {"last": same.last},
            "$inc": {"count": same.count},
            "$push": {"rows": {"$each": same.rows, "$slice": MOST_ROWS_NAMED}},
            "$min": {"least": same.least},
            "$max": {"greatest": same.greatest},
        },
        upsert=True,
    )
