"""The chunks of a large file: batches that several workers write at the same time, each with a lease of its own.

    read under the job's lease ──take──> open ──complete──> counted
                                         │  ^
                                 release │  │ take, by another worker
                                         v  │
                                       abandoned: released, or its lease is over

The worker that has the job's lease reads one batch, takes it as a chunk and frees the job at once. Another worker reads
the next batch meanwhile: to write one takes much longer than to read it. So a file is split where its reader ends a
batch, whatever its quotes, its encoding and its blank lines are, and nothing is read twice to find these places.

Rows of one invoice are written in the order of the file: a chunk waits for the earlier chunks that hold the same
invoices. So the result is that of one worker, batch after batch, down to the counts.

Chunks are stored in the job, in the fields `parts` and `partIds`. `waiting` marks a job that waits for a chunk.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace
from pymongo import ReturnDocument

from mailroom.invoices.imports.job import Checkpoint, Chunk, ImportJob, chunks_of
from mailroom.invoices.imports.ledger import RUNNING, Ledger, held_by, lost
from mailroom.platform.mongo import Document


class Chunks:
    """The leases of chunks, beside those of the jobs in `ledger`. Every method blocks for up to three round trips."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._imports = ledger.imports

    def take(self, job: ImportJob, chunk: Chunk, end: Checkpoint, dialect: Document) -> bool:
        """Takes `chunk` up to `end`, and frees the job for the next reader.

        If an abandoned chunk is only partly taken, the rest stays open for the next worker. False when its slow worker
        has completed it meanwhile. Raises `LeaseLost`.
        """
        now = job.leased_at  # a moment ago: a batch was read since
        which = held_by(job)
        changes: Document = {"dueAt": now, "attempts": 0, "error": None, "dialect": dialect, "updatedAt": now}
        changes |= _opened(replace(chunk, end=end.offset, epoch=job.epoch, due_at=now + self._ledger.lease))
        if end.offset > job.checkpoint.offset:
            progress = msgspec.to_builtins(end)
            del progress["counts"]
            changes |= {f"checkpoint.{name}": value for name, value in progress.items()}
        else:
            which |= {f"parts.{chunk.key}.epoch": chunk.epoch}
            if end.offset < chunk.end:
                rest = replace(
                    chunk,
                    offset=end.offset,
                    row=end.row,
                    rejected=end.rejected,
                    rejected_bytes=end.rejected_bytes,
                    attempts=0,
                    due_at=now,
                )
                changes |= _opened(rest)
        if self._imports.update_one(which, {"$set": changes}).matched_count:
            return True
        self._ledger.renew(job)
        return False

    def complete(self, job: ImportJob, chunk: Chunk, counts: dict[str, int], *, go_on: bool) -> ImportJob | None:
        """Counts a chunk that is written. With `go_on`, leases the job again if no other worker has it.

        Raises `LeaseLost`.
        """
        now = self._ledger.now()
        counted: Document = {
            "$unset": {f"parts.{chunk.key}": "", f"partIds.{chunk.key}": ""},
            # No `$set`: other chunks are counted too. Sent twice, the write does not find the chunk.
            "$inc": {f"checkpoint.counts.{name}": count for name, count in counts.items()},
        }
        which = _chunk_held_by(job, chunk)
        if go_on:
            free = {"$or": [{"dueAt": {"$lte": now}}, {"waiting": True}]}
            if again := self._ledger.claim_where(which | free, now, counted):
                return again
        if self._imports.update_one(which, counted | {"$set": {"updatedAt": now}} | _due(now)).matched_count == 0:
            raise lost(job)
        self._wake(job, now)
        return None

    def renew(self, job: ImportJob, chunk: Chunk) -> tuple[datetime, tuple[Chunk, ...]]:
        """Renews the lease of a chunk; the time, and all open chunks without their `ids`. Raises `LeaseLost`."""
        now = self._ledger.now()
        update = {"$set": {f"parts.{chunk.key}.dueAt": now + self._ledger.lease}}
        found = self._imports.find_one_and_update(
            _chunk_held_by(job, chunk), update, projection={"parts": 1}, return_document=ReturnDocument.AFTER
        )
        if found is None:
            raise lost(job)
        return now, chunks_of(found)

    def release(self, job: ImportJob, chunk: Chunk, wait_seconds: float = 0.0) -> None:
        """Leaves a chunk to the next worker, in `wait_seconds` or later. Raises `LeaseLost`."""
        now = self._ledger.now()
        due = now + timedelta(seconds=wait_seconds)
        changes = {f"parts.{chunk.key}.dueAt": due, f"parts.{chunk.key}.attempts": 0, "updatedAt": now}
        if self._imports.update_one(_chunk_held_by(job, chunk), {"$set": changes} | _due(now)).matched_count == 0:
            raise lost(job)
        self._wake(job, due)

    def wait_for(self, job: ImportJob, chunk: Chunk) -> bool:
        """Puts the job aside until `chunk` is complete, or due again; False when it has been completed meanwhile.

        Raises `LeaseLost`.
        """
        now = self._ledger.now()
        changes = {"dueAt": chunk.due_at, "waiting": True, "attempts": 0, "updatedAt": now}
        open_ = held_by(job) | {f"parts.{chunk.key}": {"$exists": True}}
        if self._imports.update_one(open_, {"$set": changes}).matched_count:
            return True
        self._ledger.renew(job)
        return False

    def _wake(self, job: ImportJob, due: datetime) -> None:
        """Makes a job that waits for a chunk due at this time, instead of when the lease of the chunk ends."""
        waits = {"_id": job.id, "state": RUNNING, "waiting": True, "dueAt": {"$gt": due}}
        self._imports.update_one(waits, {"$set": {"dueAt": due}})


def _chunk_held_by(job: ImportJob, chunk: Chunk) -> Document:
    """Selects the job while this worker has the lease of the chunk."""
    return {"_id": job.id, "state": RUNNING, f"parts.{chunk.key}.epoch": job.epoch}


def _due(now: datetime) -> Document:
    """Lets all jobs that wait go before this one, which has had its turn.

    The `dueAt` of a job that another worker has leased is later, and stays.
    """
    return {"$max": {"dueAt": now}}


def _opened(chunk: Chunk) -> Document:
    """The fields of an open chunk. The ids are kept apart: they are large, and only other workers read them."""
    stored = msgspec.to_builtins(chunk, builtin_types=(bytes, datetime))
    return {f"partIds.{chunk.key}": stored.pop("ids"), f"parts.{chunk.key}": stored}
