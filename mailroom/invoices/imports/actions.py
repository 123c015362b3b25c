"""What people do to imports: cancel, retry, undo. The states and their diagram are in `ledger.py`."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from bson import ObjectId
from pymongo import ReturnDocument

from mailroom.errors import Conflict, NotFound
from mailroom.invoices.imports.ledger import CANCELLED, DONE, FAILED, HELD, PENDING, RUNNING, SUPERSEDED, UNDONE
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document, Documents, server_time

_DELETED_AT_ONCE = 1000

_ASK_AGAIN_SECONDS = 5

# `updatedAt` is when a batch was begun, and it is written up to so much later. So an import that changed what another
# one had inserted may have the earlier time.
_LONGEST_BATCH = timedelta(minutes=5)

_CAN_UNDO = (DONE, FAILED, CANCELLED, SUPERSEDED, UNDONE)


class Undone(msgspec.Struct, frozen=True):
    """The result of an undo. `complete`: nothing is left to delete. Otherwise call again."""

    deleted: int
    left: int
    complete: bool


class ImportActions(msgspec.Struct, frozen=True):
    """Changes imports on behalf of people. Every method blocks for a few answers of MongoDB.

    Raises:
        NotFound: there is no import with that id.
        Conflict: `import.state`: the state of the import does not allow it. Nothing was changed.
    """

    imports: Documents
    invoices: Documents
    lease_seconds: float

    def cancel(self, id_: ObjectId) -> Document:
        """Ends an import that has not ended. Its worker is fenced, but rows of its batch in flight may still land."""
        now = server_time(self.imports.database)
        fence = {"state": CANCELLED, "finishedAt": now, "updatedAt": now, "error": None}
        return self._change(
            id_,
            (PENDING, RUNNING, HELD),
            {
                "$set": fence | {"quietAt": now + timedelta(seconds=self.lease_seconds)},
                "$inc": {"epoch": 1},
                "$unset": {"dueAt": ""},
            },
        )

    def retry(self, id_: ObjectId) -> Document:
        """Makes a failed or cancelled import due again. It goes on from its checkpoint, with its dialect and order.

        An import without a dialect is read with the presets as they are now.
        """
        now = server_time(self.imports.database)
        due = {
            "state": PENDING,
            "dueAt": now,
            "updatedAt": now,
            "attempts": 0,
            "error": None,
            "rejects": None,
            "presetsAt": now,
            "approved": True,
        }
        # Nobody changes the chunks of an import that ended.
        found = self.imports.find_one({"_id": id_}, {"parts": 1, "comparison": 1}) or {}
        chunks = found.get("parts", {})
        begun_anew = {f"parts.{key}.attempts": 0 for key in chunks}
        still = {f"parts.{key}": {"$exists": True} for key in chunks}
        # What the last comparison of the rows found may have been removed.
        compared_anew: Document = {"comparison": {}} if "comparison" in found else {}
        changes = {"$set": due | begun_anew | compared_anew, "$unset": {"finishedAt": "", "quietAt": ""}}
        return self._change(id_, (FAILED, CANCELLED), changes, still)

    def undo(self, id_: ObjectId, budget: Budget) -> Undone:
        """Deletes the invoices that the import inserted and nobody changed since, until done or the budget is spent.

        `left` counts the invoices that stay: those of other imports that it changed, and its own that others changed.
        An undone import never runs again; `force` imports its object anew. After an interruption call again: the
        counts go on too.

        Raises:
            Conflict: `import.stopping`: it was cancelled less than a lease ago.
        """
        now = server_time(self.imports.database)
        found = self.imports.find_one({"_id": id_})
        if found is not None and found.get("quietAt", now) > now:
            message = "a worker may still write the last batch of this import"
            raise Conflict("import.stopping", message, retry_after=_ASK_AGAIN_SECONDS)
        marked = {"state": UNDONE, "updatedAt": now}
        job = self._change(id_, _CAN_UNDO, {"$set": marked, "$inc": {"epoch": 1}}, {"dryRun": False})
        undo = job.get("undo") or {"deleted": 0, "piece": [], "endedBy": found["state"] if found else DONE}
        own = _written(job, undo) | {"insertedBy": job["_id"]}
        undo = self._delete_noted(job, undo)
        while ids := self._some(own):
            if budget.spent():
                return Undone(undo["deleted"], 0, complete=False)
            undo = self._delete_noted(job, self._save(job, undo | {"piece": ids}))
        left = self._left(job, undo, undeleted=0)
        self._save(job, undo | {"left": left})
        return Undone(undo["deleted"], left, complete=True)

    def foresee_undo(self, id_: ObjectId) -> tuple[int, int]:
        """How many invoices an undo would delete now, and how many would stay.

        Raises:
            NotFound, Conflict: as `undo`.
        """
        job = self.imports.find_one({"_id": id_})
        if job is None:
            raise NotFound("import.not_found", "there is no import with this id")
        if job["dryRun"]:
            raise Conflict("import.state", "a dry run has written nothing")
        if job["state"] not in _CAN_UNDO:
            raise Conflict("import.state", f"the import is {job['state']}, and must be {' or '.join(_CAN_UNDO)}")
        undo = job.get("undo") or {"deleted": 0, "endedBy": job["state"]}
        deletes = self.invoices.count_documents(_written(job, undo) | {"insertedBy": id_})
        return deletes, self._left(job, undo, undeleted=deletes)

    def _left(self, job: Document, undo: Document, *, undeleted: int) -> int:
        """How many invoices stay of those that the import inserted or changed; `undeleted` are still to be deleted."""
        id_ = job["_id"]
        if undo["endedBy"] == DONE:
            changed = self.invoices.count_documents(_written(job, undo) | {"insertedBy": {"$ne": id_}})
            changed_since: int = job["checkpoint"]["counts"]["inserted"] - undo["deleted"] - undeleted
            return changed + max(0, changed_since)
        # It may have written more than a checkpoint counts. So all invoices that changed since it started are searched.
        since = {"$gte": _started(job) - _LONGEST_BATCH}
        touched = {"updatedAt": since, "$or": [{"insertedBy": id_}, {"changedBy": id_}]}
        return self.invoices.count_documents(touched) - undeleted

    def _delete_noted(self, job: Document, undo: Document) -> Document:
        """Deletes the invoices noted beforehand, so that a crash between deleting and counting loses no count."""
        ids = undo["piece"]
        if not ids:
            return undo
        self.invoices.delete_many({"_id": {"$in": ids}, "insertedBy": job["_id"], "changedBy": job["_id"]})
        left = self.invoices.count_documents({"_id": {"$in": ids}})
        return self._save(job, undo | {"deleted": undo["deleted"] + len(ids) - left, "piece": []})

    def _some(self, own: Document) -> list[ObjectId]:
        return [document["_id"] for document in self.invoices.find(own, {"_id": 1}).limit(_DELETED_AT_ONCE)]

    def _save(self, job: Document, undo: Document) -> Document:
        mine = {"_id": job["_id"], "epoch": job["epoch"], "state": UNDONE}
        if self.imports.update_one(mine, {"$set": {"undo": undo}}).matched_count == 0:
            raise Conflict("import.state", "another call is undoing this import")
        return undo

    def _change(
        self, id_: ObjectId, states: tuple[str, ...], update: Document, more: Document | None = None
    ) -> Document:
        which = {"_id": id_, "state": {"$in": states}, **(more or {})}
        changed = self.imports.find_one_and_update(which, update, return_document=ReturnDocument.AFTER)
        if changed is not None:
            return changed
        found = self.imports.find_one({"_id": id_})
        if found is None:
            raise NotFound("import.not_found", "there is no import with this id")
        if found["dryRun"] and "dryRun" in (more or {}):
            raise Conflict("import.state", "a dry run has written nothing")
        raise Conflict("import.state", f"the import is {found['state']}, and must be {' or '.join(states)}")


def _written(job: Document, undo: Document) -> Document:
    """The invoices that the import was the last to change.

    If it did not end by itself, a last batch may have landed after its end.
    """
    end = {"$lte": job["finishedAt"]} if undo["endedBy"] == DONE else {}
    return {"changedBy": job["_id"], "updatedAt": {"$gte": _started(job)} | end}


def _started(job: Document) -> datetime:
    started: datetime = job.get("startedAt") or job["createdAt"]
    return started
