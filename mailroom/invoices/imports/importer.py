"""Runs imports: each call of the function works on a slice of the due jobs, and the next call goes on.

    claim ─► open the source ─► compare the rows ─► read a batch ─► write it ─► checkpoint ─► read the next batch …
                                                         │
                                                         └─ no batch is left ─► finish

A compressed file, or a file of one batch, has one worker at a time, with a checkpoint after each batch. Several workers
import any other file at once: see `parallel.py`. After a slice of one import, another one that waits goes first: see
`slices.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from functools import partial

import msgspec
from pymongo.errors import PyMongoError

from mailroom.errors import LeaseLost, MailroomError, MissingSecret, Unavailable
from mailroom.invoices.columnar import Refuse, RowBatch, Stamp
from mailroom.invoices.columnar.compared import differing_in
from mailroom.invoices.files import Dialect, FileRejected
from mailroom.invoices.imports.chunks import Chunks
from mailroom.invoices.imports.comparison import RowComparison
from mailroom.invoices.imports.job import Chunk, ImportJob, checkpoint_after
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.parallel import ParallelImport
from mailroom.invoices.imports.rejects import RejectLimit, Rejects
from mailroom.invoices.imports.slices import SliceBudget
from mailroom.invoices.imports.source import BATCH_BYTES, FileHeld, ImportSource
from mailroom.invoices.imports.writer import BatchWriter
from mailroom.invoices.model.identity import order_prefix
from mailroom.invoices.presets.selection import Selection
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document, unavailable_when_down
from mailroom.platform.objects import ObjectGone, ObjectStore

log = logging.getLogger(__name__)

# A job claimed so often without one batch written kills or stalls its workers. It must not block the others.
MOST_ATTEMPTS = 8

# A worker begins with the first chunk that another abandoned. So whatever else kills workers, mostly kills them there.
MOST_CHUNK_ATTEMPTS = 3 * MOST_ATTEMPTS

# How long a job waits for a server that does not answer, in seconds.
_WAIT_SECONDS = 1.0


class Importer(msgspec.Struct, frozen=True):
    """Imports object versions. All state is in the ledger and the collections it is given.

    `will_look_again` is called for each job that is found, and tells whether to call help. `call_help` is called when
    there is more to do than one worker does in a moment.
    """

    ledger: Ledger
    chunks: Chunks
    comparison: RowComparison
    writer: BatchWriter
    rejects: Rejects
    reject_limit: RejectLimit
    objects: ObjectStore
    selection: Selection
    batch_rows: int
    slice_seconds: float
    will_look_again: Callable[[], bool]
    call_help: Callable[[], None]

    def run(self, budget: Budget) -> int:
        """Works on due jobs until none is left or the budget is spent; how many slices were worked on.

        Raises:
            Unavailable, MissingSecret: MongoDB or the object store does not answer, or cannot be asked. The job waits,
                with all that was checkpointed.
        """
        done = 0
        while not budget.spent() and (job := self.ledger.claim()):
            done += 1
            if self.will_look_again():
                self.call_help()
            try:
                self._import(job, budget)
            except LeaseLost as error:
                log.warning("%s", error, extra={"importId": str(job.id)})
            except (Unavailable, MissingSecret, PyMongoError):
                raise
            except Exception:
                # A mistake of ours must not keep the other jobs waiting. This job is tried again when its lease ends.
                log.exception("an import stopped unexpectedly", extra={"importId": str(job.id)})
        return done

    def _import(self, claimed: ImportJob, budget: Budget) -> None:
        """Imports batch after batch, until the import ends or this worker leaves it to others."""
        slice_budget = SliceBudget(budget, self.slice_seconds, partial(self.ledger.other_waits, claimed))
        parallel = ParallelImport(self.ledger, self.chunks, self.writer, slice_budget, self.call_help)
        with closing(self._open(claimed)) as source:
            slice_ = _Slice(source, parallel, slice_budget)
            job: ImportJob | None = claimed
            while job:
                job = self._step(job, slice_)

    def _open(self, job: ImportJob) -> ImportSource:
        dialect = msgspec.convert(job.dialect or None, Dialect | None)
        prefix = order_prefix(job.order_ms, job.version.version_id)
        return ImportSource(
            self.objects,
            job.version,
            dialect,
            self.selection,
            job.preset,
            job.presets_at,
            self.batch_rows,
            stamp=partial(Stamp, job.writes_as, prefix),
            may_hold=not job.approved,
        )

    def _step(self, job: ImportJob, slice_: _Slice) -> ImportJob | None:
        """Imports a batch, or ends the import. The job as it is leased then; None when this worker is done with it."""
        try:
            with unavailable_when_down():
                return self._import_batch(job, slice_)
        except Unavailable as error:
            self._put_aside(job, str(error))
            raise
        except MissingSecret as error:
            self._put_aside(job, str(error).partition(":")[0])  # without the path of its file
            raise

    def _import_batch(self, job: ImportJob, slice_: _Slice) -> ImportJob | None:
        source = slice_.source
        try:
            if job.attempts > MOST_ATTEMPTS:
                raise _no_progress(job.attempts - 1)
            if not self.comparison.is_due(job):
                batch = self._read(job, source, lambda batch: self.comparison.refuse(job, source.rules, batch))
            elif job.comparison or job.version.size > BATCH_BYTES:
                return self.comparison.run(job, source, slice_.budget)
            else:
                batch = self._read(job, source)
                if batch and source.rules.line_items != "lastWins":
                    if not source.is_last(batch):
                        return self.comparison.run(job, source, slice_.budget)
                    batch = self._without_differing(job, batch, source)
            if batch is None:
                return self._end(job, source.dialect)
        except FileHeld:
            self.ledger.hold(job)
            return None
        except (FileRejected, ObjectGone) as error:
            return self._give_up(job, error)
        return self._write(job, batch, slice_)

    def _read(self, job: ImportJob, source: ImportSource, refuse: Refuse = lambda batch: {}) -> RowBatch | None:
        """The batch of an abandoned chunk, else the next batch. None at the end of the file."""
        chunk, renew = job.abandoned, partial(self.ledger.renew, job)
        if chunk is None:
            self.reject_limit.check(job.checkpoint.rejected)
            return source.read(job.checkpoint.offset, job.checkpoint.row, job.leased_at, renew, refuse=refuse)
        if chunk.attempts >= MOST_CHUNK_ATTEMPTS:
            raise _no_progress(chunk.attempts)
        return source.read(chunk.offset, chunk.row, job.leased_at, renew, chunk.end, refuse)

    def _without_differing(self, job: ImportJob, batch: RowBatch, source: ImportSource) -> RowBatch | None:
        """The only batch of a file. Rows of one invoice that differ are rejected."""
        refused = differing_in(batch, add_up=source.rules.line_items == "addUp")
        return self._read(job, source, lambda batch: refused) if refused else batch

    def _write(self, job: ImportJob, batch: RowBatch, slice_: _Slice) -> ImportJob | None:
        """Writes a batch and saves the progress; returns as `_step`."""
        dialect: Document = msgspec.to_builtins(slice_.source.dialect)
        if slice_.source.seekable and (job.chunks or batch.end < job.version.size):
            return slice_.parallel.write(job, batch, dialect)
        before = job.checkpoint
        if job.comparison and job.comparison.looked:
            self.ledger.renew(job)  # if the import has ended, what tells the differing rows may be removed
        counts = self.writer.write(job, batch, before)
        counts.update(before.counts)
        job = self.ledger.checkpoint(job, checkpoint_after(before, batch, dict(counts)), dialect)
        at_end = slice_.source.seekable and batch.end >= job.version.size
        if at_end or not slice_.budget.spent():
            return job
        self.ledger.release(job)
        return None

    def _end(self, job: ImportJob, dialect: Dialect) -> ImportJob | None:
        """Ends the import as done, once no other worker writes a chunk."""
        if job.in_progress:
            return self._wait_for(job, job.in_progress)
        self.reject_limit.check_all(job.checkpoint.counts)
        rejects = self._rejects_file(job, dialect)
        self.ledger.finish(job, msgspec.to_builtins(dialect), rejects)
        self.comparison.remove(job)
        log.info("imported", extra={"importId": str(job.id), **job.checkpoint.counts})
        return None

    def _give_up(self, job: ImportJob, error: FileRejected | ObjectGone) -> ImportJob | None:
        """Ends an import that cannot go on, once no other worker writes a chunk."""
        if job.in_progress:
            return self._wait_for(job, job.in_progress)
        if isinstance(error, FileRejected):
            self._fail(job, error.code, error.message)
        else:
            self._gone(job, str(error))
        return None

    def _wait_for(self, job: ImportJob, chunk: Chunk) -> ImportJob | None:
        """Leaves the job to the worker that completes the chunk. The job, if it is complete already."""
        return None if self.chunks.wait_for(job, chunk) else self.ledger.reload(job)

    def _fail(self, job: ImportJob, code: str, message: str) -> None:
        """Ends the job as failed. What was imported stays, and the rejected rows get their file."""
        saved = self.ledger.reload(job)
        dialect = msgspec.convert(saved.dialect or None, Dialect | None)
        try:
            rejects = self._rejects_file(saved, dialect) if dialect else None
        except (MailroomError, PyMongoError):
            raise
        except Exception:  # whatever it is, it must not keep the import from ending
            log.exception("the rejects file cannot be written", extra={"importId": str(job.id)})
            rejects = None
        self.ledger.fail(job, code, message, rejects)
        self.comparison.remove(job)
        log.info("import failed: %s", code, extra={"importId": str(job.id)})

    def _rejects_file(self, job: ImportJob, dialect: Dialect) -> Document | None:
        if not job.checkpoint.counts["rejected"] or job.dry_run:
            return None
        return self.rejects.write_file(job, dialect, renew=lambda: self.ledger.renew(job))

    def _gone(self, job: ImportJob, message: str) -> None:
        try:
            newest = self.objects.find(job.version.bucket, job.version.key)
        except ObjectGone:
            self._fail(job, "object.not_found", message)
        else:
            self.ledger.supersede(job, f"{message}; the version {newest.version_id} took its place")
            self.comparison.remove(job)

    def _put_aside(self, job: ImportJob, message: str) -> None:
        try:
            self.ledger.release(job, _WAIT_SECONDS, {"code": "service.unavailable", "message": message})
        except (PyMongoError, LeaseLost) as error:
            log.warning("the import %s waits for its lease to end: %s", job.id, type(error).__name__)


class _Slice(msgspec.Struct, frozen=True):
    """What one worker does to one import at a stretch."""

    source: ImportSource
    parallel: ParallelImport
    budget: SliceBudget


def _no_progress(attempts: int) -> FileRejected:
    return FileRejected("import.no_progress", f"given up after {attempts} attempts without progress")
