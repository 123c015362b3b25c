"""Runs imports: one slice of due jobs an invocation, a checkpoint after every batch, continued by the next.

A file of one batch, or one that is compressed, is imported by one worker at a time. Of any other, each batch is a part
that a worker takes while others read on: see `parts.py`.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

import msgspec
from bson import ObjectId
from msgspec.structs import replace
from pymongo.errors import PyMongoError

from mailroom.errors import LeaseLost, MailroomError, MissingSecret, Unavailable
from mailroom.invoices.columnar import RowBatch, Stamp
from mailroom.invoices.files import Dialect, FileRejected
from mailroom.invoices.imports.chunks import Part, first_bytes
from mailroom.invoices.imports.dry_run import Predictions
from mailroom.invoices.imports.job import COUNTS, Checkpoint, Job
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.profiles import Profiles
from mailroom.invoices.imports.rejects import RejectLimit, Rejects
from mailroom.invoices.imports.source import BATCH_BYTES, Reading
from mailroom.invoices.imports.writer import InvoiceStore
from mailroom.invoices.model.identity import order_prefix
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document, unavailable_when_down
from mailroom.platform.objects import ObjectGone, ObjectStore

log = logging.getLogger(__name__)

# A job claimed so often without a single batch written kills or stalls its worker: it must not block the others.
MOST_ATTEMPTS = 8

# A worker begins with the first part that another left, so whatever else kills workers mostly kills them there.
MOST_PART_ATTEMPTS = 3 * MOST_ATTEMPTS

# How long a job waits for a server that does not answer, in seconds.
_WAIT_SECONDS = 1.0

# With so much left to read, other replicas are called to help.
_HELP_BYTES = 4 * BATCH_BYTES

# Another worker reads a batch in some hundredths of a second: so often, and so many times, it is asked whether it has.
_POLL_SECONDS = 0.02
_POLLS = 50


class Importer(msgspec.Struct, frozen=True):
    """Imports object versions. All state is in the ledger and the collections it is given.

    `call_help` is called when there is more to do than one worker does in a moment.
    """

    ledger: Ledger
    invoices: InvoiceStore
    predictions: Callable[[ObjectId], Predictions]
    rejects: Rejects
    reject_limit: RejectLimit
    objects: ObjectStore
    profiles: Profiles
    batch_rows: int
    call_help: Callable[[], None]

    def run(self, budget: Budget) -> int:
        """Works on due jobs until none is left or the budget is spent; how many slices were worked on.

        Raises:
            Unavailable, MissingSecret: MongoDB or the object store does not answer, or cannot be asked. The job waits,
                with all that was checkpointed.
        """
        done = 0
        while not budget.spent():
            job = self.ledger.claim()
            if job is None:
                break
            done += 1
            try:
                self._work(job, budget)
            except LeaseLost as error:
                log.warning("%s", error, extra={"importId": str(job.id)})
            except (Unavailable, MissingSecret, PyMongoError):
                raise
            except Exception:
                # A mistake of ours must not keep the other jobs waiting; this one is tried again when its lease ends.
                log.exception("an import stopped unexpectedly", extra={"importId": str(job.id)})
        return done

    def _work(self, claimed: Job, budget: Budget) -> None:
        job: Job | None = claimed
        with self._reading(claimed) as reading:
            slice_ = _Slice(reading, budget)
            while job:
                job = self._step(job, slice_)

    def _reading(self, job: Job) -> Reading:
        dialect = Dialect.from_document(job.dialect) if job.dialect else None
        prefix = order_prefix(job.order_ms, job.version.version_id)
        return Reading(
            self.objects,
            job.version,
            dialect,
            self.profiles.rules(job.version.key),
            self.batch_rows,
            stamp=partial(Stamp, job.writes_as, prefix),
            renew=lambda: self.ledger.renew(job),
        )

    def _step(self, job: Job, slice_: _Slice) -> Job | None:
        """Imports a batch, or ends the import. The job as it is leased then; None when this worker is done with it."""
        try:
            return self._go_on(job, slice_)
        except Unavailable as error:
            self._put_aside(job, str(error))
            raise
        except MissingSecret:
            self._put_aside(job, "a secret is missing: the log of invoice-importer names it")
            raise

    def _go_on(self, job: Job, slice_: _Slice) -> Job | None:
        reading = slice_.reading
        try:
            with unavailable_when_down():
                batch = self._read(job, reading)
                if batch is None:
                    return self._end(job, reading.dialect)
                if reading.addressed and (job.parts or batch.end < job.version.size):
                    return self._write_part(job, batch, slice_)
                return self._write_alone(job, batch, slice_)
        except (FileRejected, ObjectGone) as error:
            if job.in_progress:
                return self._wait(job, job.in_progress)
            self._give_up(job, error)
            return None

    def _read(self, job: Job, reading: Reading) -> RowBatch | None:
        """The next batch, or that of a part which was abandoned."""
        part = job.abandoned
        if job.attempts > MOST_ATTEMPTS:
            raise _no_progress(job.attempts - 1)
        if part and part.attempts >= MOST_PART_ATTEMPTS:
            raise _no_progress(part.attempts)
        if part:
            return reading.batch(part.offset, part.row, job.leased_at, part.end)
        self.reject_limit.check(job.checkpoint.rejected)
        return reading.batch(job.checkpoint.offset, job.checkpoint.row, job.leased_at)

    def _write_alone(self, job: Job, batch: RowBatch, slice_: _Slice) -> Job | None:
        before = job.checkpoint
        counts = self._write(job, batch, before.offset, before.rejected)
        counts.update(before.counts)
        checkpoint = Checkpoint(batch.end, batch.row, before.rejected + len(batch.rejected), dict(counts))
        job = self.ledger.checkpoint(job, checkpoint, slice_.reading.dialect.to_document())
        if slice_.budget.spent():
            self.ledger.release(job)
            return None
        return job

    def _write_part(self, job: Job, batch: RowBatch, slice_: _Slice) -> Job | None:
        part, budget = _part(job, batch), slice_.budget
        end = Checkpoint(batch.end, batch.row, part.rejected + len(batch.rejected), {})
        if not self.ledger.hand_over(job, part, end, slice_.reading.dialect.to_document()):
            return self.ledger.reread(job)
        if not slice_.help_called and job.version.size - batch.end > _HELP_BYTES:
            self.call_help()
            slice_.help_called = True
        try:
            with unavailable_when_down():
                if not self._may_write(job, part, budget):
                    return None
                counts = self._write(job, batch, part.offset, part.rejected)
                again = self.ledger.complete(job, part, counts, go_on=not budget.spent())
        except Unavailable:
            self._put_part_aside(job, part)
            raise
        return again or self._claim_again(job, budget)

    def _may_write(self, job: Job, part: Part, budget: Budget) -> bool:
        """Waits until no part before it has rows of the same invoices; False when it had to be left to others."""
        before = [each for each in job.parts if each.offset < part.offset and each.shares_invoices(part)]
        while before:
            time.sleep(_POLL_SECONDS)
            now, parts = self.ledger.renew_part(job, part)
            offsets = {each.offset for each in before}
            before = [each for each in parts if each.offset in offsets]
            if budget.spent() or any(each.due_at <= now for each in before):
                self.ledger.release_part(job, part)
                return False
        return True

    def _claim_again(self, job: Job, budget: Budget) -> Job | None:
        for _ in range(_POLLS):
            if budget.spent():
                return None
            if again := self.ledger.claim_again(job):
                return again
            time.sleep(_POLL_SECONDS)
        return None

    def _write(self, job: Job, batch: RowBatch, offset: int, rejected: int) -> Counter[str]:
        """Writes a batch that begins at `offset`, behind so many `rejected` rows; its counts."""
        now = batch.stamp.now
        self.rejects.add(job.id, batch.rejected, rejected, now)
        counts = Counter(dict.fromkeys(COUNTS, 0))
        if job.dry_run:
            counts.update(self.predictions(job.id).write(batch.all_rows(), job.writes_as, offset, now))
        elif batch.distinct:
            counts.update(self.invoices.insert(batch.encoded, job.writes_as, offset, now))
            counts.update(self.invoices.write(batch.rows, job.writes_as, offset, now))
        else:
            counts.update(self.invoices.write(batch.all_rows(), job.writes_as, offset, now))
        counts.update(rows=batch.count, rejected=len(batch.rejected))
        return counts

    def _end(self, job: Job, dialect: Dialect) -> Job | None:
        if job.in_progress:
            return self._wait(job, job.in_progress)
        self.reject_limit.check_all(job.checkpoint.counts)
        self._finish(job, job.checkpoint, dialect)
        return None

    def _wait(self, job: Job, part: Part) -> Job | None:
        """Leaves the job to the worker that completes its last part; the job if there is none any more."""
        return None if self.ledger.wait_for(job, part) else self.ledger.reread(job)

    def _finish(self, job: Job, checkpoint: Checkpoint, dialect: Dialect) -> None:
        rejects = self._rejects_file(job, checkpoint, dialect)
        self.ledger.finish(job, checkpoint, dialect.to_document(), rejects)
        log.info("imported", extra={"importId": str(job.id), **checkpoint.counts})

    def _give_up(self, job: Job, error: FileRejected | ObjectGone) -> None:
        if isinstance(error, FileRejected):
            self._fail(job, error.code, error.message)
        else:
            self._gone(job, str(error))

    def _fail(self, job: Job, code: str, message: str) -> None:
        """Ends the job as failed; what was imported before stays, and its rejected rows get their file."""
        saved = self.ledger.reread(job)
        dialect = Dialect.from_document(saved.dialect) if saved.dialect else None
        try:
            rejects = self._rejects_file(saved, saved.checkpoint, dialect) if dialect else None
        except (MailroomError, PyMongoError):
            raise
        except Exception:  # whatever it is, it must not keep the import from ending
            log.exception("the rejects file cannot be written", extra={"importId": str(job.id)})
            rejects = None
        self.ledger.fail(job, code, message, rejects)
        log.info("import failed: %s", code, extra={"importId": str(job.id)})

    def _rejects_file(self, job: Job, checkpoint: Checkpoint, dialect: Dialect) -> Document | None:
        if not checkpoint.counts["rejected"] or job.dry_run:
            return None
        return self.rejects.write_file(job, checkpoint, dialect, renew=lambda: self.ledger.renew(job))

    def _gone(self, job: Job, message: str) -> None:
        try:
            newest = self.objects.find(job.version.bucket, job.version.key)
        except ObjectGone:
            self._fail(job, "object.not_found", message)
        else:
            self.ledger.supersede(job, f"{message}; the version {newest.version_id} took its place")

    def _put_aside(self, job: Job, message: str) -> None:
        try:
            self.ledger.release(job, _WAIT_SECONDS, {"code": "service.unavailable", "message": message})
        except (PyMongoError, LeaseLost) as error:
            log.warning("the import %s waits for its lease to end: %s", job.id, type(error).__name__)

    def _put_part_aside(self, job: Job, part: Part) -> None:
        try:
            self.ledger.release_part(job, part, _WAIT_SECONDS)
        except (PyMongoError, LeaseLost) as error:
            log.warning("a part of the import %s waits for its lease to end: %s", job.id, type(error).__name__)


def _no_progress(attempts: int) -> FileRejected:
    return FileRejected("import.no_progress", f"given up after {attempts} attempts without progress")


class _Slice(msgspec.Struct):
    """What a worker does to one import at a stretch."""

    reading: Reading
    budget: Budget
    help_called: bool = False


def _part(job: Job, batch: RowBatch) -> Part:
    """The part that this batch is, or of which it is the beginning."""
    if job.abandoned:
        return replace(job.abandoned, attempts=job.abandoned.attempts + 1)
    before = job.checkpoint
    return Part(
        offset=before.offset,
        end=batch.end,
        row=before.row,
        rejected=before.rejected,
        ids=first_bytes(batch.ids),
        attempts=1,
        epoch=job.epoch,
        due_at=job.leased_at,
    )
