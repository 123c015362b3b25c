"""Why an import waits, in one sentence: from what is noted about it and about the importer.

The first reason that is true is told:

    it has ended                                    nothing
    it is held                                      approval
    its last attempt was put off, for a moment      server, secret
    a worker has its lease                          lease
    the importer is not called, or fails, or is     worker, secret, server, broken, setup
      newer than the set-up
    other imports are due before it, or none        turn

An object without an import has no id to ask by. `of_object` says why it has none: `event`, or why nobody looks for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from mailroom.invoices.imports.ledger import HELD, PENDING, RUNNING
from mailroom.platform.mongo import Document
from mailroom.platform.waiting import Waiting, WorkerState, in_turn, of_worker, shown

MOST_COUNTED = 1000
"""So many imports that are due before another one are counted, and no more."""

# An event, or the next pass over the bucket, comes sooner than this.
_UNDER_WAY = timedelta(minutes=1)


class DueImport(msgspec.Struct, frozen=True):
    """What decides why an import waits. `ahead` counts the imports that were due earlier, `MOST_COUNTED` at most.

    `attempts` is 0 while no worker has the lease. `for_chunk`: it waits for another worker's chunk of the file.
    """

    state: str
    due_at: datetime | None
    updated_at: datetime
    attempts: int = 0
    error: str = ""
    for_chunk: bool = False
    ahead: int = 0

    def is_due(self, now: datetime) -> bool:
        return self.due_at is not None and self.due_at <= now

    @property
    def was_put_off(self) -> bool:
        """Whether a worker gave it back with an error, and none has taken it since."""
        return bool(self.error) and not self.attempts and not self.for_chunk


def due_import(document: Document, ahead: int = 0) -> DueImport:
    """An import as MongoDB keeps it."""
    return DueImport(
        state=document["state"],
        due_at=document.get("dueAt"),
        updated_at=document["updatedAt"],
        attempts=document["attempts"],
        error=(document["error"] or {}).get("message", ""),
        for_chunk=bool(document.get("waiting")),
        ahead=ahead,
    )


def of_import(job: DueImport, importer: WorkerState, now: datetime) -> Waiting | None:
    """Why the import waits. None if it has ended."""
    if job.state == HELD:
        return Waiting("approval", "It was uploaded to be looked at first: somebody must import it.", job.updated_at)
    if job.due_at is None or job.state not in (PENDING, RUNNING):
        return None
    if not job.is_due(now):
        return _put_off(job, job.due_at, importer) if job.was_put_off else _leased(job, job.due_at)
    if waiting := of_worker(importer, now):
        return waiting
    if job.was_put_off:
        return _put_off(job, job.due_at, importer)
    return in_turn("import", job.ahead, MOST_COUNTED, job.due_at)


def of_object(uploaded_at: datetime, importer: WorkerState, now: datetime, *, events: bool, seconds: float) -> Waiting:
    """Why an object of the bucket has no import.

    With `events` its event is missing, and a comparison of the bucket, at least every `seconds`, finds it. Without,
    the importer lists the bucket again and again.
    """
    if now - uploaded_at >= _UNDER_WAY and (waiting := of_worker(importer, now)):
        return waiting
    uploaded = f"The object was uploaded at {shown(uploaded_at)}"
    if not events:
        return Waiting("event", f"{uploaded}, and the importer has not listed it yet (EVENTS=poll).", uploaded_at)
    if now - uploaded_at < _UNDER_WAY:
        return Waiting("event", f"{uploaded}, and its event is still under way.", uploaded_at)
    text = f"{uploaded}, and its event never came: a comparison of the bucket, at least every {seconds:g} s, finds it."
    return Waiting("event", text, uploaded_at)


def _put_off(job: DueImport, due_at: datetime, importer: WorkerState) -> Waiting:
    code = "secret" if importer.failure and importer.failure.code == "secret" else "server"
    text = f"The last attempt was put off: {job.error}; the next is due at {shown(due_at)}."
    return Waiting(code, text, job.updated_at)


def _leased(job: DueImport, until: datetime) -> Waiting:
    if job.for_chunk:
        text = f"Another worker writes a part of its file, and has a lease until {shown(until)}."
    else:
        text = f"A worker has it, with a lease until {shown(until)}: if that worker is lost, another one goes on."
    return Waiting("lease", text, job.updated_at)
