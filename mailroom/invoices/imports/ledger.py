"""The job ledger: every import, its state, its lease and its checkpoint. The collection `imports`.

    pending ──claim──> running ──finish──> done ─────────┐
     │ ^                │ │ │ └──fail────> failed ──┬────┤
     │ └────release─────┘ │ └────supersede─> superseded ─┼─undo─> undone
     └────────cancel──────┴──────────────> cancelled ┴───┘
    failed, cancelled ──retry──> pending
    running ──hold──> held ──approve──> pending        (a file that was uploaded with `hold`)
    held ──cancel──> cancelled

A lease is a `dueAt` in the future with an `epoch`. A job is due when `dueAt` has passed: nobody has begun it, or its
slice ended, or its worker died. The job that has been due for longest comes first, so each gets its turn. Each claim
adds one to `epoch`, and each later write asks for that epoch: a worker that lost its lease writes nothing more here
(`LeaseLost`). A job that ended has no `dueAt`.
The batches of a large file have leases of their own (`chunks.py`). People cancel, retry and undo (`actions.py`).
All times come from the database server's clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from bson import ObjectId
from msgspec.structs import astuple, replace
from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from mailroom.errors import Conflict, LeaseLost
from mailroom.invoices.imports.job import COUNTS, VERSION_FIELDS, Checkpoint, Comparison, ImportJob, job_of
from mailroom.invoices.model.identity import id_of_call, import_id
from mailroom.platform.clock import to_milliseconds
from mailroom.platform.idempotency import RepeatableCall, check_same_request
from mailroom.platform.listed_objects import ListedObject
from mailroom.platform.mongo import Document, Documents, server_time
from mailroom.platform.objects import ObjectVersion
from mailroom.platform.settings import Settings
from mailroom.webhooks.announcements import ANNOUNCEMENTS, Announcer
from mailroom.webhooks.model import EventType

PENDING, RUNNING, DONE, FAILED, SUPERSEDED = "pending", "running", "done", "failed", "superseded"
CANCELLED, UNDONE, HELD = "cancelled", "undone", "held"
STATES = (PENDING, RUNNING, DONE, FAILED, SUPERSEDED, CANCELLED, UNDONE, HELD)

BY_EVENT, BY_LISTING = "event", "listing"
"""How the object version of an import was found: its field `foundBy`. Imports of earlier versions have none."""

AWAITS_MAIL = "unannounced"
"""Marks an import that ended, until a mail that tells of it is in the outbox."""


class Ledger:
    """Jobs by identity, and their leases. Every method blocks for one or two round trips to MongoDB."""

    def __init__(
        self, imports: Documents, lease_seconds: float, announcer: Announcer | None = None, *, mails: bool = False
    ) -> None:
        """The write that ends an import also announces it to webhooks, so that no crash comes between.

        `announcer` is for a process that ends imports. `mails`: the write also marks the import for a mail.
        """
        self.imports = imports
        self.lease = timedelta(seconds=lease_seconds)
        self._announcer = announcer
        self._mails = mails

    @classmethod
    def of(cls, database: Database[Document], settings: Settings, announcer: Announcer | None = None) -> Ledger:
        return cls(database["imports"], settings.import_lease_seconds, announcer, mails=bool(settings.import_notify))

    def now(self) -> datetime:
        return server_time(self.imports.database)

    def submit(
        self,
        version: ObjectVersion,
        *,
        found_by: str = "",
        force: bool = False,
        dry_run: bool = False,
        preset: str = "",
        approved: bool = False,
        call: RepeatableCall | None = None,
    ) -> tuple[ObjectId, bool]:
        """Writes the job of an object version with majority; its id, and whether it is new.

        The same version always gets the same job, so a repeated delivery adds nothing. `force` makes a further job,
        whose rows count as newer than all that was imported until now. A dry run is always a further job. `preset` is
        the name of the preset to read the file with. `found_by` is BY_EVENT or BY_LISTING, or empty if a person asked.
        `approved`: a person wants it imported, so it is not held. A repeated `call` makes no second further job.

        Raises:
            Conflict: `import.preset`: the version has a job that was not asked to use this preset.
            Invalid: an earlier call with the key of `call` was another request.
        """
        now = self.now()
        further = force or dry_run
        own = import_id(version)
        if further:
            own = ObjectId() if call is None else id_of_call(call.key)
        document: Document = {
            "_id": own,
            "dryRun": dry_run,
            "writesAs": own if force else import_id(version),
            **dict(zip(VERSION_FIELDS, astuple(version), strict=True)),
            "orderTime": to_milliseconds(now) if force else version.modified_ms,
            "state": PENDING,
            "epoch": 0,
            "attempts": 0,
            "dueAt": now,
            "createdAt": now,
            "updatedAt": now,
            "preset": preset,
            "presetsAt": now,
            "approved": approved or further,
            **({"foundBy": found_by} if found_by else {}),
            **({"idempotency": msgspec.to_builtins(call)} if call and further else {}),
            "checkpoint": msgspec.to_builtins(Checkpoint(0, 0, 0, dict.fromkeys(COUNTS, 0))),
            "dialect": None,
            "error": None,
            "rejects": None,
        }
        try:
            self.imports.insert_one(document)
        except DuplicateKeyError:
            if call is not None and self.made_by(call):
                return own, False
            if approved and self._approve(own, preset, now):
                return own, False
            if preset:
                self._check_preset(own, preset)
            return own, False
        return own, True

    def made_by(self, call: RepeatableCall) -> ObjectId | None:
        """The further job that an earlier call with this key has made. Raises `Invalid` if it was another request."""
        own = id_of_call(call.key)
        found = self.imports.find_one({"_id": own}, {"idempotency": 1})
        if found is None:
            return None
        check_same_request(call, found["idempotency"]["digest"])
        return own

    def _approve(self, id_: ObjectId, preset: str, now: datetime) -> bool:
        """Makes a held import due, to be read with the presets as they are now. Whether it was held."""
        approval: Document = {"approved": True, "preset": preset, "presetsAt": now}
        held = self.imports.update_one(
            {"_id": id_, "state": HELD},
            {"$set": approval | {"state": PENDING, "dueAt": now, "updatedAt": now, "attempts": 0}},
        )
        if held.matched_count:
            return True
        # No worker has looked at it yet, or one looks at it just now: `hold` then does nothing.
        waits = {"_id": id_, "state": {"$in": [PENDING, RUNNING]}, "dialect": None, "approved": False}
        self.imports.update_one(waits, {"$set": {"approved": True, "presetsAt": now}})
        return False

    def _check_preset(self, id_: ObjectId, preset: str) -> None:
        found = self.imports.find_one({"_id": id_}, {"preset": 1})
        if found is None or found.get("preset") != preset:
            message = f"this version has the import {id_}, which was not asked to use {preset}: `force` reads it anew"
            raise Conflict("import.preset", message, field="preset")

    def known(self, ids: list[ObjectId]) -> set[ObjectId]:
        """Which of `ids` have a job."""
        return {document["_id"] for document in self.imports.find({"_id": {"$in": ids}}, {"_id": 1})}

    def newest_known(self, bucket: str, listed: list[ListedObject]) -> set[str]:
        """The keys of those objects whose listed bytes have an import, other than a dry run.

        Times are compared in whole seconds: some servers give no more in one listing, and more in another.
        """
        wanted = {(each.key, each.etag, each.modified_ms // 1000) for each in listed}
        which: Document = {"key": {"$in": [each.key for each in listed]}, "bucket": bucket, "dryRun": {"$ne": True}}
        found = self.imports.find(which, {"key": 1, "etag": 1, "modifiedAt": 1})
        return {each["key"] for each in found if (each["key"], each["etag"], each["modifiedAt"] // 1000) in wanted}

    def claim(self) -> ImportJob | None:
        """Leases the job that has been due for longest; None when nothing is due."""
        now = self.now()
        return self.claim_where({"dueAt": {"$lte": now}}, now)

    def claim_again(self, job: ImportJob) -> ImportJob | None:
        """Leases a job that this worker gave away when it took a chunk; None while another worker has it."""
        now = self.now()
        return self.claim_where({"_id": job.id, "state": RUNNING, "dueAt": {"$lte": now}}, now)

    def claim_where(self, which: Document, now: datetime, update: Document | None = None) -> ImportJob | None:
        """Leases the one of these jobs that has been due for longest. `update` is a part of the same write."""
        update = update or {}
        leased = {
            "$set": {"state": RUNNING, "dueAt": now + self.lease, "updatedAt": now},
            "$inc": {"epoch": 1, "attempts": 1} | update.get("$inc", {}),
            "$min": {"startedAt": now},
            "$unset": {"waiting": ""} | update.get("$unset", {}),
        }
        found = self.imports.find_one_and_update(
            which, leased, sort=[("dueAt", 1)], return_document=ReturnDocument.AFTER
        )
        return None if found is None else job_of(found, now)

    def other_waits(self, job: ImportJob) -> bool:
        """Whether an import other than this one is due."""
        due = self.imports.find({"dueAt": {"$lte": self.now()}}, {"_id": 1}).sort("dueAt", 1).limit(2)
        return any(each["_id"] != job.id for each in due)

    def renew(self, job: ImportJob) -> None:
        """Renews the lease, within a step that may take longer than it. Raises `LeaseLost`."""
        now = self.now()
        self._write(job, now, {"dueAt": now + self.lease})

    def reload(self, job: ImportJob) -> ImportJob:
        """The job as it was last saved. Raises `LeaseLost`."""
        found = self.imports.find_one(held_by(job))
        if found is None:
            raise lost(job)
        return job_of(found, self.now())

    def checkpoint(self, job: ImportJob, checkpoint: Checkpoint, dialect: Document) -> ImportJob:
        """Saves the progress and renews the lease; the job as it is then. Raises `LeaseLost`."""
        now = self.now()
        saved = {"checkpoint": msgspec.to_builtins(checkpoint), "dialect": dialect}
        self._write(job, now, saved | {"dueAt": now + self.lease, "attempts": 0, "error": None})
        return replace(job, checkpoint=checkpoint, leased_at=now)

    def save_comparison(self, job: ImportJob, comparison: Comparison, dialect: Document) -> ImportJob:
        """Saves how far the rows have been compared; otherwise as `checkpoint`."""
        now = self.now()
        saved = {"comparison": msgspec.to_builtins(comparison), "dialect": dialect}
        self._write(job, now, saved | {"dueAt": now + self.lease, "attempts": 0, "error": None})
        return replace(job, comparison=comparison, attempts=0, leased_at=now)

    def release(self, job: ImportJob, wait_seconds: float = 0.0, error: Document | None = None) -> None:
        """Puts the job aside. It is due again after `wait_seconds`; `error` tells people what it waits for.

        Waiting is no failed attempt. Raises `LeaseLost`.
        """
        now = self.now()
        due = now + timedelta(seconds=wait_seconds)
        state = RUNNING if job.chunks else PENDING  # other workers may have the chunks
        self._write(job, now, {"dueAt": due, "state": state, "attempts": 0, "error": error})

    def hold(self, job: ImportJob) -> None:
        """Puts the job aside until a person approves it. Raises `LeaseLost`, also if that happened meanwhile."""
        now = self.now()
        update = {"$set": {"state": HELD, "updatedAt": now, "attempts": 0}, "$unset": {"dueAt": ""}}
        if self.imports.update_one(held_by(job) | {"approved": {"$ne": True}}, update).matched_count == 0:
            raise lost(job)

    def finish(self, job: ImportJob, dialect: Document, rejects: Document | None) -> None:
        """Ends the job as done. Raises `LeaseLost`."""
        self._end(
            job,
            {"dialect": dialect, "state": DONE, "rejects": rejects, "error": None},
            remove=("parts", "partIds"),
            event=EventType.IMPORT_DONE,
        )

    def fail(self, job: ImportJob, code: str, message: str, rejects: Document | None = None) -> None:
        """Ends the job as failed, for a reason that time does not mend. Raises `LeaseLost`."""
        error = {"code": code, "message": message}
        self._end(job, {"state": FAILED, "error": error, "rejects": rejects}, event=EventType.IMPORT_FAILED)

    def supersede(self, job: ImportJob, message: str) -> None:
        """Ends the job because its bytes are gone and newer ones are there. Raises `LeaseLost`."""
        self._end(job, {"state": SUPERSEDED, "error": {"code": "object.superseded", "message": message}})

    def _end(
        self, job: ImportJob, changes: Document, remove: tuple[str, ...] = (), event: EventType | None = None
    ) -> None:
        """Ends the job. People are told of an `event`, unless it was a dry run."""
        told = None if job.dry_run else event
        announcements = self._announcements(job, changes, told) if told else []
        mark: Document = {AWAITS_MAIL: True} if told and self._mails else {}
        now = self.now()
        self._write(job, now, {**changes, **mark, "finishedAt": now}, ("dueAt", *remove), announcements)
        if self._announcer and announcements:
            self._announcer.announced()

    def _announcements(self, job: ImportJob, changes: Document, event: EventType) -> list[Document]:
        """What webhooks are told: the end, and whether rows were rejected."""
        if self._announcer is None:
            return []
        counts = job.checkpoint.counts
        data = {"state": changes["state"], "counts": counts, "error": changes["error"], "rejects": changes["rejects"]}
        events = [event, EventType.IMPORT_REJECTED_ROWS] if counts["rejected"] else [event]
        return [made for each in events if (made := self._announcer.make(each, data)) is not None]

    def _write(
        self,
        job: ImportJob,
        now: datetime,
        changes: Document,
        remove: tuple[str, ...] = (),
        announcements: list[Document] | None = None,
    ) -> None:
        update: Document = {"$set": changes | {"updatedAt": now}}
        if remove:
            update["$unset"] = dict.fromkeys(remove, "")
        if announcements:
            update["$push"] = {ANNOUNCEMENTS: {"$each": announcements}}
        if self.imports.update_one(held_by(job), update).matched_count == 0:
            raise lost(job)


def held_by(job: ImportJob) -> Document:
    """Selects the job while this worker has its lease."""
    return {"_id": job.id, "epoch": job.epoch, "state": RUNNING}


def lost(job: ImportJob) -> LeaseLost:
    return LeaseLost(f"the import {job.id} was taken over or cancelled")
