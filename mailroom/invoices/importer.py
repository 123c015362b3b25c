"""Runs imports: one slice of due jobs an invocation, a checkpoint after every batch, continued by the next."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice

from pymongo.errors import PyMongoError

from mailroom.errors import LeaseLost, Unavailable
from mailroom.invoices.content import content_of
from mailroom.invoices.identity import order
from mailroom.invoices.ledger import Checkpoint, Job, Ledger
from mailroom.invoices.merge import Row
from mailroom.invoices.parsing import (
    Dialect,
    FileRejected,
    Malformed,
    Record,
    Rejected,
    RowParser,
    Rules,
    content,
    detect,
    read_records,
)
from mailroom.invoices.rejects import Rejects
from mailroom.invoices.store import InvoiceStore
from mailroom.platform.clock import Budget
from mailroom.platform.objects import ObjectGone, ObjectStore

log = logging.getLogger(__name__)

HEAD_BYTES = 256 * 1024

# A job claimed so often without a single batch written kills or stalls its worker: it must not block the others.
MOST_ATTEMPTS = 8

# How long a job waits for a server that does not answer, in seconds.
_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Importer:
    """Imports object versions. All state is in the ledger and the collections it is given."""

    ledger: Ledger
    invoices: InvoiceStore
    rejects: Rejects
    objects: ObjectStore
    rules: Rules
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
        if job.attempts > MOST_ATTEMPTS:
            self.ledger.fail(job, "import.no_progress", f"given up after {job.attempts - 1} attempts without progress")
            return
        try:
            self._import(job, budget)
        except FileRejected as error:
            self.ledger.fail(job, error.code, error.message)
        except ObjectGone as error:
            self._gone(job, str(error))
        except Unavailable as error:
            self.ledger.release(job, _WAIT_SECONDS, {"code": "service.unavailable", "message": str(error)})
            raise

    def _import(self, job: Job, budget: Budget) -> None:
        dialect = Dialect.from_document(job.dialect) if job.dialect else None
        checkpoint = job.checkpoint
        # Compressed content has no address in the object: it is read from the start, and what is done is skipped.
        start = checkpoint.offset if dialect and dialect.compression == "none" else 0
        with self._chunks(job, start) as chunks:
            if dialect is None:
                dialect, chunks = self._detect(chunks)
            body = content(chunks, dialect, skip=checkpoint.offset - start)
            records = read_records(body, dialect, self.rules, offset=checkpoint.offset, row=checkpoint.row)
            parser = RowParser(dialect, self.rules)
            while batch := list(islice(records, self.batch_rows)):
                checkpoint = self._write(job, parser, batch, checkpoint)
                self.ledger.checkpoint(job, checkpoint, dialect.to_document())
                if budget.spent():
                    self.ledger.release(job)
                    return
        self._finish(job, checkpoint, dialect)

    def _chunks(self, job: Job, start: int) -> AbstractContextManager[Iterator[bytes]]:
        if start >= job.version.size > 0:
            return nullcontext(iter(()))  # a range that begins at the end is an error to S3
        return self.objects.read(job.version, start)

    def _detect(self, chunks: Iterator[bytes]) -> tuple[Dialect, Iterator[bytes]]:
        head, complete = bytearray(), True
        for chunk in chunks:
            head += chunk
            if len(head) >= HEAD_BYTES:
                complete = False
                break
        return detect(bytes(head[:HEAD_BYTES]), self.rules, complete=complete), chain([bytes(head)], chunks)

    def _write(self, job: Job, parser: RowParser, batch: list[Record | Malformed], before: Checkpoint) -> Checkpoint:
        now = self.now()
        rows: list[Row] = []
        rejected: list[Rejected] = []
        for record in batch:
            parsed = parser.parse(record)
            if isinstance(parsed, Rejected):
                rejected.append(parsed)
            else:
                place = order(job.order_ms, job.version.version_id, record.offset)
                rows.append(Row(record.offset, record.row, place, content_of(parsed)))
        self.rejects.add(job.id, rejected, now)
        counts = Counter(before.counts)
        counts.update(self.invoices.write(rows, job.id, before.offset, now))
        counts.update(rows=len(batch), rejected=len(rejected))
        return Checkpoint(batch[-1].end, batch[-1].row, dict(counts))

    def _finish(self, job: Job, checkpoint: Checkpoint, dialect: Dialect) -> None:
        rejects = self.rejects.write_file(job, dialect) if checkpoint.counts["rejected"] else None
        self.ledger.finish(job, checkpoint, dialect.to_document(), rejects)
        log.info("imported", extra={"importId": str(job.id), **checkpoint.counts})

    def _gone(self, job: Job, message: str) -> None:
        try:
            newest = self.objects.find(job.version.bucket, job.version.key)
        except ObjectGone:
            self.ledger.fail(job, "object.not_found", message)
        else:
            self.ledger.supersede(job, f"{message}; the version {newest.version_id} took its place")
