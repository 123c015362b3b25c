"""The job ledger: every import, its state, its lease and its checkpoint. The collection `imports`.

    pending ──claim──> running ──finish──> done ─────────┐
     │ ^                │ │ │ └──fail────> failed ──┬────┤
     │ └────release─────┘ │ └────supersede─> superseded ─┼─undo─> undone
     └────────cancel──────┴──────────────> cancelled ┴───┘
    failed, cancelled ──retry──> pending

A lease is a `dueAt` in the future with an `epoch`. A job is due when `dueAt` has passed, whether it was never begun,
put aside at the end of a time budget, or left by a worker that died. Each claim adds one to `epoch`, and each later
write asks for it: a worker that lost its lease writes nothing more here (`LeaseLost`). Jobs that ended have no `dueAt`.
A large file's batches are written at once, as parts with leases of their own, beside the job's: see `parts.py`.
What people do to a job (cancel, retry, undo) is in `control.py`.
All times come from the database server's clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bson import ObjectId
from msgspec.structs import replace
from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from mailroom.errors import LeaseLost
from mailroom.invoices.imports.chunks import Part, parts_of
from mailroom.invoices.imports.job import Checkpoint, Job, job_of
from mailroom.invoices.model.identity import import_id
from mailroom.platform.clock import to_milliseconds
from mailroom.platform.mongo import Document, Documents, server_time
from mailroom.platform.objects import ObjectVersion
from mailroom.platform.settings import Settings

PENDING, RUNNING, DONE, FAILED, SUPERSEDED = "pending", "running", "done", "failed", "superseded"
CANCELLED, UNDONE = "cancelled", "undone"
STATES = (PENDING, RUNNING, DONE, FAILED, SUPERSEDED, CANCELLED, UNDONE)

UNANNOUNCED = "unannounced"
"""Marks an import that ended, until a mail that tells of it is in the outbox."""


class Ledger:
    """Jobs by identity. Every method blocks for one or two round trips to MongoDB."""

    def __init__(self, collection: Documents, lease_seconds: float, *, announces: bool = False) -> None:
        """`announces`: the write that ends an import marks it for `announcer`, so that no crash comes between."""
        self._announces = announces
        self._collection = collection
        self._lease = timedelta(seconds=lease_seconds)

    @classmethod
    def of(cls, database: Database[Document], settings: Settings) -> Ledger:
        return cls(database["imports"], settings.import_lease_seconds, announces=bool(settings.import_notify))

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
            "checkpoint": Checkpoint.start().to_document(),
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
        return self._claim({"dueAt": {"$lte": now}}, now)

    def claim_again(self, job: Job) -> Job | None:
        """Leases a job whose lease this worker gave away with a part; None while another worker has it."""
        now = self._now()
        return self._claim({"_id": job.id, "state": RUNNING, "dueAt": {"$lte": now}}, now)

    def hand_over(self, job: Job, part: Part, end: Checkpoint, dialect: Document) -> bool:
        """Takes `part`, of which `end` is behind the end, and frees the job for who reads on.

        Of a part that was abandoned, what is behind `end` stays a part, for whoever is next. False when whoever had it
        was only slow and has completed it meanwhile. Raises `LeaseLost`.
        """
        now = job.leased_at  # a moment ago: a batch was read since
        mine = _mine(job)
        changes: Document = {"dueAt": now, "attempts": 0, "error": None, "dialect": dialect, "updatedAt": now}
        changes |= _opened(replace(part, end=end.offset, epoch=job.epoch, due_at=now + self._lease))
        if end.offset > job.checkpoint.offset:
            progress = {"offset": end.offset, "row": end.row, "rejected": end.rejected}
            changes |= {f"checkpoint.{name}": value for name, value in progress.items()}
        else:
            mine |= {f"parts.{part.key}.epoch": part.epoch}
            if end.offset < part.end:
                rest = replace(part, offset=end.offset, row=end.row, rejected=end.rejected, attempts=0, due_at=now)
                changes |= _opened(rest)
        if self._collection.update_one(mine, {"$set": changes}).matched_count:
            return True
        self.renew(job)
        return False

    def complete(self, job: Job, part: Part, counts: dict[str, int], *, go_on: bool) -> Job | None:
        """Counts a part that is written, and leases the job again if it is to `go_on` and no other worker has it.

        Raises `LeaseLost`.
        """
        now = self._now()
        done: Document = {
            "$unset": {f"parts.{part.key}": "", f"partIds.{part.key}": ""},
            # No `$set`, for other parts are counted too; sent twice, it finds the part gone.
            "$inc": {f"checkpoint.counts.{name}": count for name, count in counts.items()},
        }
        mine = _own_part(job, part)
        if go_on:
            free = {"$or": [{"dueAt": {"$lte": now}}, {"waiting": True}]}
            if again := self._claim(mine | free, now, done):
                return again
        if self._collection.update_one(mine, done | {"$set": {"updatedAt": now}}).matched_count == 0:
            raise _lost(job)
        self._wake(job, now)
        return None

    def renew_part(self, job: Job, part: Part) -> tuple[datetime, tuple[Part, ...]]:
        """Renews the lease of a part; the time, and all open parts. Raises `LeaseLost`."""
        now = self._now()
        update = {"$set": {f"parts.{part.key}.dueAt": now + self._lease}}
        found = self._collection.find_one_and_update(
            _own_part(job, part), update, projection={"parts": 1}, return_document=ReturnDocument.AFTER
        )
        if found is None:
            raise _lost(job)
        return now, parts_of(found)

    def release_part(self, job: Job, part: Part, wait_seconds: float = 0.0) -> None:
        """Leaves a part to whoever is next, in `wait_seconds` or later. Raises `LeaseLost`."""
        now = self._now()
        due = now + timedelta(seconds=wait_seconds)
        changes = {f"parts.{part.key}.dueAt": due, f"parts.{part.key}.attempts": 0, "updatedAt": now}
        if self._collection.update_one(_own_part(job, part), {"$set": changes}).matched_count == 0:
            raise _lost(job)
        self._wake(job, due)

    def _wake(self, job: Job, due: datetime) -> None:
        """Has a job that waits for a part looked at by then, not when the part's lease would have ended."""
        waits = {"_id": job.id, "state": RUNNING, "waiting": True, "dueAt": {"$gt": due}}
        self._collection.update_one(waits, {"$set": {"dueAt": due}})

    def wait_for(self, job: Job, part: Part) -> bool:
        """Puts the job aside until `part` is complete, or due again; False when it has been completed meanwhile.

        Raises `LeaseLost`.
        """
        now = self._now()
        changes = {"dueAt": part.due_at, "waiting": True, "attempts": 0, "updatedAt": now}
        open_ = _mine(job) | {f"parts.{part.key}": {"$exists": True}}
        if self._collection.update_one(open_, {"$set": changes}).matched_count:
            return True
        self.renew(job)
        return False

    def _claim(self, which: Document, now: datetime, update: Document | None = None) -> Job | None:
        update = update or {}
        leased = {
            "$set": {"state": RUNNING, "dueAt": now + self._lease, "updatedAt": now},
            "$inc": {"epoch": 1, "attempts": 1} | update.get("$inc", {}),
            "$min": {"startedAt": now},
            "$unset": {"waiting": ""} | update.get("$unset", {}),
        }
        document = self._collection.find_one_and_update(
            which, leased, sort=[("dueAt", 1)], return_document=ReturnDocument.AFTER
        )
        return None if document is None else job_of(document, now)

    def checkpoint(self, job: Job, checkpoint: Checkpoint, dialect: Document) -> Job:
        """Saves the progress and renews the lease; the job as it is then. Raises `LeaseLost`."""
        now = self._now()
        saved = {"checkpoint": checkpoint.to_document(), "dialect": dialect}
        self._write(job, now, saved | {"dueAt": now + self._lease, "attempts": 0, "error": None})
        return replace(job, checkpoint=checkpoint, leased_at=now)

    def renew(self, job: Job) -> None:
        """Renews the lease, within a step that may take longer than it. Raises `LeaseLost`."""
        now = self._now()
        self._write(job, now, {"dueAt": now + self._lease})

    def reread(self, job: Job) -> Job:
        """The job as it was last saved. Raises `LeaseLost`."""
        found = self._collection.find_one(_mine(job))
        if found is None:
            raise _lost(job)
        return job_of(found, self._now())

    def release(self, job: Job, wait_seconds: float = 0.0, error: Document | None = None) -> None:
        """Puts the job aside, due again after `wait_seconds`; `error` tells people what it waits for.

        Waiting is no failed attempt. Raises `LeaseLost`.
        """
        now = self._now()
        due = now + timedelta(seconds=wait_seconds)
        state = RUNNING if job.parts else PENDING  # others may be at work
        self._write(job, now, {"dueAt": due, "state": state, "attempts": 0, "error": error})

    def finish(self, job: Job, checkpoint: Checkpoint, dialect: Document, rejects: Document | None) -> None:
        """Ends the job as done. Raises `LeaseLost`."""
        saved = {"checkpoint": checkpoint.to_document(), "dialect": dialect}
        ended = saved | {"state": DONE, "rejects": rejects, "error": None} | self._mark(job)
        self._end(job, ended, remove=("parts", "partIds"))

    def fail(self, job: Job, code: str, message: str, rejects: Document | None = None) -> None:
        """Ends the job as failed, for a reason that time will not mend. Raises `LeaseLost`."""
        error = {"code": code, "message": message}
        self._end(job, {"state": FAILED, "error": error, "rejects": rejects} | self._mark(job))

    def supersede(self, job: Job, message: str) -> None:
        """Ends the job because its bytes are gone and newer ones are there. Raises `LeaseLost`."""
        self._end(job, {"state": SUPERSEDED, "error": {"code": "object.superseded", "message": message}})

    def _mark(self, job: Job) -> Document:
        return {UNANNOUNCED: True} if self._announces and not job.dry_run else {}

    def _end(self, job: Job, changes: Document, remove: tuple[str, ...] = ()) -> None:
        now = self._now()
        self._write(job, now, changes | {"finishedAt": now}, remove=("dueAt", *remove))

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


def _own_part(job: Job, part: Part) -> Document:
    return {"_id": job.id, "state": RUNNING, f"parts.{part.key}.epoch": job.epoch}


def _opened(part: Part) -> Document:
    return {f"parts.{part.key}": part.to_document(), f"partIds.{part.key}": part.ids}


def _lost(job: Job) -> LeaseLost:
    return LeaseLost(f"the import {job.id} was taken over or cancelled")
