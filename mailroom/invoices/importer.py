"""Runs imports: one slice of due jobs an invocation, a checkpoint after every batch, continued by the next."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from bson import ObjectId
from pymongo.errors import PyMongoError

from mailroom.errors import LeaseLost, Unavailable
from mailroom.invoices.fast import Batch, Stamp, read_batches
from mailroom.invoices.identity import order_prefix
from mailroom.invoices.ledger import Checkpoint, Job, Ledger
from mailroom.invoices.parsing import (
    Dialect,
    FileRejected,
    Rules,
    content,
    detect,
    is_workbook,
    sheet_content,
)
from mailroom.invoices.predictions import Predictions
from mailroom.invoices.profiles import Profiles, mapped
from mailroom.invoices.rejects import RejectLimit, Rejects
from mailroom.invoices.store import InvoiceStore
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document, unavailable_when_down
from mailroom.platform.objects import ObjectGone, ObjectStore

log = logging.getLogger(__name__)

HEAD_BYTES = 256 * 1024

# A job claimed so often without a single batch written kills or stalls its worker: it must not block the others.
MOST_ATTEMPTS = 8

# How long a job waits for a server that does not answer, in seconds.
_WAIT_SECONDS = 1.0

# A batch ends after so many bytes too: it is held many times over, as text, columns, documents and message.
BATCH_BYTES = 1 << 20


@dataclass(frozen=True)
class Importer:
    """Imports object versions. All state is in the ledger and the collections it is given."""

    ledger: Ledger
    invoices: InvoiceStore
    predictions: Callable[[ObjectId], Predictions]
    rejects: Rejects
    reject_limit: RejectLimit
    objects: ObjectStore
    profiles: Profiles
    batch_rows: int
    now: Callable[[], datetime]

    def run(self, budget: Budget) -> int:
        """Works on due jobs until none is left or the budget is spent; how many slices were worked on.

        Raises:
            Unavailable: MongoDB or the object store does not answer. The job waits, with all that was checkpointed.
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
            except (Unavailable, PyMongoError):
                raise
            except Exception:
                # A mistake of ours must not keep the other jobs waiting; this one is tried again when its lease ends.
                log.exception("an import stopped unexpectedly", extra={"importId": str(job.id)})
        return done

    def _work(self, job: Job, budget: Budget) -> None:
        try:
            with unavailable_when_down():
                if job.attempts > MOST_ATTEMPTS:
                    raise FileRejected(
                        "import.no_progress", f"given up after {job.attempts - 1} attempts without progress"
                    )
                self._import(job, budget)
        except FileRejected as error:
            self._fail(job, error.code, error.message)
        except ObjectGone as error:
            self._gone(job, str(error))
        except Unavailable as error:
            self._put_aside(job, str(error))
            raise

    def _import(self, job: Job, budget: Budget) -> None:
        dialect = Dialect.from_document(job.dialect) if job.dialect else None
        checkpoint = job.checkpoint
        rules = self.profiles.rules(job.version.key)
        # Compressed content has no address in the object: it is read from the start, and what is done is skipped.
        start = checkpoint.offset if dialect and dialect.compression == "none" else 0
        with self._chunks(job, start) as chunks:
            if dialect is None:
                dialect, body = _open(chunks, mapped(rules, self.objects.metadata(job.version)))
            else:
                body = content(chunks, dialect, skip=checkpoint.offset - start)
            for batch in read_batches(
                body,
                dialect,
                rules,
                offset=checkpoint.offset,
                row=checkpoint.row,
                most_rows=self.batch_rows,
                most_bytes=BATCH_BYTES,
                stamp=lambda: self._stamp(job),
            ):
                checkpoint = self._write(job, batch, checkpoint)
                self.ledger.checkpoint(job, checkpoint, dialect.to_document())
                self.reject_limit.check(checkpoint.counts)
                if budget.spent():
                    self.ledger.release(job)
                    return
        self.reject_limit.check_all(checkpoint.counts)
        self._finish(job, checkpoint, dialect)

    def _chunks(self, job: Job, start: int) -> AbstractContextManager[Iterator[bytes]]:
        if start >= job.version.size > 0:
            return nullcontext(iter(()))  # a range that begins at the end is an error to S3
        return self.objects.read(job.version, start)

    def _stamp(self, job: Job) -> Stamp:
        return Stamp(job.writes_as, order_prefix(job.order_ms, job.version.version_id), self.now())

    def _write(self, job: Job, batch: Batch, before: Checkpoint) -> Checkpoint:
        now = batch.stamp.now
        self.rejects.add(job.id, batch.rejected, before.counts["rejected"], now)
        counts = Counter(before.counts)
        if job.dry_run:
            counts.update(self.predictions(job.id).write(batch.all_rows(), job.writes_as, before.offset, now))
        elif batch.distinct:
            counts.update(self.invoices.insert(batch.ready, job.writes_as, before.offset, now))
            counts.update(self.invoices.write(batch.rows, job.writes_as, before.offset, now))
        else:
            counts.update(self.invoices.write(batch.all_rows(), job.writes_as, before.offset, now))
        counts.update(rows=batch.count, rejected=len(batch.rejected))
        return Checkpoint(batch.end, batch.row, dict(counts))

    def _finish(self, job: Job, checkpoint: Checkpoint, dialect: Dialect) -> None:
        rejects = self._rejects_file(job, checkpoint, dialect)
        self.ledger.finish(job, checkpoint, dialect.to_document(), rejects)
        log.info("imported", extra={"importId": str(job.id), **checkpoint.counts})

    def _fail(self, job: Job, code: str, message: str) -> None:
        """Ends the job as failed; what was imported before stays, and its rejected rows get their file."""
        saved = self.ledger.reread(job)
        dialect = Dialect.from_document(saved.dialect) if saved.dialect else None
        rejects = self._rejects_file(saved, saved.checkpoint, dialect) if dialect else None
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
        except PyMongoError as error:
            log.warning("the import %s waits for its lease to end: %s", job.id, type(error).__name__)


def _open(chunks: Iterator[bytes], rules: Rules) -> tuple[Dialect, Iterator[bytes]]:
    """The dialect of the object, and its content from the start."""
    head, complete, chunks = _head(chunks)
    if not is_workbook(head):
        dialect = detect(head, rules, complete=complete)
        return dialect, content(chunks, dialect)
    head, complete, body = _head(sheet_content(chunks))
    dialect = detect(head, replace(rules, encoding="utf-8"), complete=complete)
    return replace(dialect, compression="xlsx"), body


def _head(chunks: Iterator[bytes]) -> tuple[bytes, bool, Iterator[bytes]]:
    """The first bytes, whether they are all, and all chunks again."""
    head, complete = bytearray(), True
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD_BYTES:
            complete = False
            break
    return bytes(head[:HEAD_BYTES]), complete, chain([bytes(head)], chunks)
