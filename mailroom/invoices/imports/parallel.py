"""Imports a large file: several workers at once, each with a chunk of it. See `chunks.py`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec
from msgspec.structs import replace
from pymongo.errors import PyMongoError

from mailroom.errors import LeaseLost, Unavailable
from mailroom.invoices.columnar import RowBatch
from mailroom.invoices.imports.chunks import Chunks
from mailroom.invoices.imports.job import Chunk, ImportJob, checkpoint_after, first_bytes
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.slices import SliceBudget
from mailroom.invoices.imports.source import BATCH_BYTES
from mailroom.invoices.imports.writer import BatchWriter
from mailroom.platform.mongo import Document, unavailable_when_down

log = logging.getLogger(__name__)

# With more bytes than this left to read, other workers are called to help.
_HELP_BYTES = 4 * BATCH_BYTES

# Another worker reads a batch in some hundredths of a second. So this worker asks for the job again this often.
_POLL_SECONDS = 0.02
_POLLS = 50

# How long a chunk waits for a server that does not answer, in seconds.
_WAIT_SECONDS = 1.0


class ParallelImport(msgspec.Struct):
    """Takes a batch as a chunk, frees the job for the next reader, and writes the chunk.

    `call_help` is called once, when there is more to do than one worker does in a moment.
    """

    ledger: Ledger
    chunks: Chunks
    writer: BatchWriter
    budget: SliceBudget
    call_help: Callable[[], None]
    help_called: bool = False

    def write(self, job: ImportJob, batch: RowBatch, dialect: Document) -> ImportJob | None:
        """Writes a batch as a chunk. The job if this worker leases it again; None when others go on with it."""
        chunk = _chunk(job, batch)
        end = checkpoint_after(chunk, batch, {})
        if not self.chunks.take(job, chunk, end, dialect):
            return self.ledger.reload(job)
        self._call_help(job, batch)
        try:
            with unavailable_when_down():
                if not self._wait_for_earlier(job, chunk):
                    return None
                counts = self.writer.write(job, batch, chunk)
                again = self.chunks.complete(job, chunk, counts, go_on=not self.budget.spent())
        except Unavailable:
            self._put_aside(job, chunk)
            raise
        return again or self._claim_again(job)

    def _call_help(self, job: ImportJob, batch: RowBatch) -> None:
        if self.help_called or job.version.size - batch.end <= _HELP_BYTES:
            return
        self.call_help()
        self.help_called = True

    def _wait_for_earlier(self, job: ImportJob, chunk: Chunk) -> bool:
        """Waits until no earlier chunk has rows of the same invoices. False when this chunk was left to others."""
        earlier = [each for each in job.chunks if each.offset < chunk.offset and each.shares_invoices(chunk)]
        while earlier:
            time.sleep(_POLL_SECONDS)
            now, open_ = self.chunks.renew(job, chunk)
            offsets = {each.offset for each in earlier}
            earlier = [each for each in open_ if each.offset in offsets]
            if self.budget.spent() or any(each.due_at <= now for each in earlier):
                self.chunks.release(job, chunk)
                return False
        return True

    def _claim_again(self, job: ImportJob) -> ImportJob | None:
        for _ in range(_POLLS):
            if self.budget.spent():
                return None
            if again := self.ledger.claim_again(job):
                return again
            time.sleep(_POLL_SECONDS)
        return None

    def _put_aside(self, job: ImportJob, chunk: Chunk) -> None:
        try:
            self.chunks.release(job, chunk, _WAIT_SECONDS)
        except (PyMongoError, LeaseLost) as error:
            log.warning("a chunk of the import %s waits for its lease to end: %s", job.id, type(error).__name__)


def _chunk(job: ImportJob, batch: RowBatch) -> Chunk:
    """The chunk that this batch is, or the abandoned chunk that begins with this batch."""
    if job.abandoned:
        return replace(job.abandoned, attempts=job.abandoned.attempts + 1)
    before = job.checkpoint
    return Chunk(
        offset=before.offset,
        end=batch.end,
        row=before.row,
        rejected=before.rejected,
        ids=first_bytes(batch.ids),
        attempts=1,
        epoch=job.epoch,
        due_at=job.leased_at,
        rejected_bytes=before.rejected_bytes,
    )
