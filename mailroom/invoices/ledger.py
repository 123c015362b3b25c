"""The job ledger: every import, its state, its lease and its checkpoint. The collection `imports`.

    pending ──claim──> running ──finish──> done ─────────┐
     │ ^                │ │ │ └──fail────> failed ──┬────┤
     │ └────release─────┘ │ └────supersede─> superseded ─┼─undo─> undone
     └────────cancel──────┴──────────────> cancelled ┴───┘
    failed, cancelled ──retry──> pending

A lease is a `dueAt` in the future with an `epoch`. A job is due when `dueAt` has passed, whether it was never begun,
put aside at the end of a time budget, or left by a worker that died. Each claim adds one to `epoch`, and each later
write asks for it: a worker that lost its lease writes nothing more here (`LeaseLost`). Jobs that ended have no `dueAt`.
What people do to a job (cancel, retry, undo) is in `control.py`.
All times come from the database server's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from mailroom.errors import LeaseLost
from mailroom.invoices.identity import import_id
from mailroom.platform.clock import to_milliseconds
from mailroom.platform.mongo import Document, Documents, server_time
from mailroom.platform.objects import ObjectVersion

PENDING, RUNNING, DONE, FAILED, SUPERSEDED = "pending", "running", "done", "failed", "superseded"
CANCELLED, UNDONE = "cancelled", "undone"
STATES = (PENDING, RUNNING, DONE, FAILED, SUPERSEDED, CANCELLED, UNDONE)

UNANNOUNCED = "unannounced"
"""Marks an import that ended, until a mail that tells of it is in the outbox."""

COUNTS = ("rows", "inserted", "updated", "unchanged", "stale", "rejected")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far an import has got: everything before `offset` (bytes of content) is written and counted."""

    offset: int
    row: int
    counts: dict[str, int]

    @staticmethod
    def start() -> Checkpoint:
        return Checkpoint(0, 0, dict.fromkeys(COUNTS, 0))


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed import. `epoch` is the lease's: pass the job to every later write.

    `writes_as` is the import whose name the invoices bear: the job's own or, of a dry run, that of the real one.
    """

    id: ObjectId
    version: ObjectVersion
    order_ms: int
    epoch: int
    attempts: int
    checkpoint: Checkpoint
    dialect: Document | None
    dry_run: bool
    writes_as: ObjectId


class Ledger:
    """Jobs by identity. Every method blocks for one or two round trips to MongoDB."""

    def __init__(self, collection: Documents, lease_seconds: float, *, announces: bool = False) -> None:
        """`announces`: the write that ends an import marks it for `announcer`, so that no crash comes between."""
        self._announces = announces
        self._collection = collection
        self._lease = timedelta(seconds=lease_seconds)

    def submit(self, version: ObjectVersion, *, force: bool = False, dry_run: bool = False) -> tuple[ObjectId, bool]:
        """Writes the job of an object version with majority; its id, and whether it is new.

        The same version always gets the same job, so a repeated delivery adds nothing. `force` makes a further job,
        whose rows count as newer than all that was imported until now. A dry run is always a further job.
        """
        now = self._now()
        own = ObjectId() if force or dry_run else import_id(version)
        document: Document = {
            "_id": own,
            "dryRun": dry_run,
            "writesAs": own if force else import_id(version),
            "bucket": version.bucket,
            "key": version.key,
            "versionId": version.version_id,
            "etag": version.etag,
            "size": version.size,
            "modifiedAt": version.modified_ms,
            "orderTime": to_milliseconds(now) if force else version.modified_ms,
            "state": PENDING,
            "epoch": 0,
            "attempts": 0,
            "dueAt": now,
            "createdAt": now,
            "updatedAt": now,
            "checkpoint": _checkpoint_document(Checkpoint.start()),
            "dialect": None,
            "error": None,
            "rejects": None,
        }
        try:
            self._collection.insert_one(document)
        except DuplicateKeyError:
            return document["_id"], False
        return document["_id"], True

    def known(self, ids: list[ObjectId]) -> set[ObjectId]:
        """Which of `ids` have a job."""
        return {document["_id"] for document in self._collection.find({"_id": {"$in": ids}}, {"_id": 1})}

    def claim(self) -> Job | None:
        """Leases the job that has been due for longest; None when nothing is due."""
        now = self._now()
        document = self._collection.find_one_and_update(
            {"dueAt": {"$lte": now}},
            {
                "$set": {"state": RUNNING, "dueAt": now + self._lease, "updatedAt": now},
                "$inc": {"epoch": 1, "attempts": 1},
                "$min": {"startedAt": now},
            },
            sort=[("dueAt", 1)],
            return_document=ReturnDocument.AFTER,
        )
        return None if document is None else _job(document)

    def checkpoint(self, job: Job, checkpoint: Checkpoint, dialect: Document) -> None:
        """Saves the progress and renews the lease. Raises `LeaseLost`."""
        now = self._now()
        saved = {"checkpoint": _checkpoint_document(checkpoint), "dialect": dialect}
        self._write(job, now, saved | {"dueAt": now + self._lease, "attempts": 0, "error": None})

    def renew(self, job: Job) -> None:
        """Renews the lease, within a step that may take longer than it. Raises `LeaseLost`."""
        now = self._now()
        self._write(job, now, {"dueAt": now + self._lease})

    def reread(self, job: Job) -> Job:
        """The job as it was last saved. Raises `LeaseLost`."""
        found = self._collection.find_one(_mine(job))
        if found is None:
            raise _lost(job)
        return _job(found)

    def release(self, job: Job, wait_seconds: float = 0.0, error: Document | None = None) -> None:
        """Puts the job aside, due again after `wait_seconds`; `error` tells people what it waits for.

        Waiting is no failed attempt. Raises `LeaseLost`.
        """
        now = self._now()
        due = now + timedelta(seconds=wait_seconds)
        self._write(job, now, {"dueAt": due, "state": PENDING, "attempts": 0, "error": error})

    def finish(self, job: Job, checkpoint: Checkpoint, dialect: Document, rejects: Document | None) -> None:
        """Ends the job as done. Raises `LeaseLost`."""
        saved = {"checkpoint": _checkpoint_document(checkpoint), "dialect": dialect}
        self._end(job, saved | {"state": DONE, "rejects": rejects, "error": None} | self._mark(job))

    def fail(self, job: Job, code: str, message: str, rejects: Document | None = None) -> None:
        """Ends the job as failed, for a reason that time will not mend. Raises `LeaseLost`."""
        error = {"code": code, "message": message}
        self._end(job, {"state": FAILED, "error": error, "rejects": rejects} | self._mark(job))

    def supersede(self, job: Job, message: str) -> None:
        """Ends the job because its bytes are gone and newer ones are there. Raises `LeaseLost`."""
        self._end(job, {"state": SUPERSEDED, "error": {"code": "object.superseded", "message": message}})

    def _mark(self, job: Job) -> Document:
        return {UNANNOUNCED: True} if self._announces and not job.dry_run else {}

    def _end(self, job: Job, changes: Document) -> None:
        now = self._now()
        self._write(job, now, changes | {"finishedAt": now}, remove=("dueAt",))

    def _write(self, job: Job, now: datetime, changes: Document, remove: tuple[str, ...] = ()) -> None:
        update: Document = {"$set": changes | {"updatedAt": now}}
        if remove:
            update["$unset"] = dict.fromkeys(remove, "")
        if self._collection.update_one(_mine(job), update).matched_count == 0:
            raise _lost(job)

    def _now(self) -> datetime:
        return server_time(self._collection.database)


def _mine(job: Job) -> Document:
    return {"_id": job.id, "epoch": job.epoch, "state": RUNNING}


def _lost(job: Job) -> LeaseLost:
    return LeaseLost(f"the import {job.id} was taken over or cancelled")


def _checkpoint_document(checkpoint: Checkpoint) -> Document:
    return {"offset": checkpoint.offset, "row": checkpoint.row, "counts": checkpoint.counts}


def _job(document: dict[str, Any]) -> Job:
    saved = document["checkpoint"]
    return Job(
        id=document["_id"],
        version=ObjectVersion(
            bucket=document["bucket"],
            key=document["key"],
            version_id=document["versionId"],
            etag=document["etag"],
            size=document["size"],
            modified_ms=document["modifiedAt"],
        ),
        order_ms=document["orderTime"],
        epoch=document["epoch"],
        attempts=document["attempts"],
        checkpoint=Checkpoint(saved["offset"], saved["row"], saved["counts"]),
        dialect=document["dialect"],
        dry_run=document["dryRun"],
        writes_as=document["writesAs"],
    )
