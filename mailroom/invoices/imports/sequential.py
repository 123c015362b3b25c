"""Imports a compressed file, or a file of one batch: one worker at a time, with a checkpoint after each batch."""

from __future__ import annotations

import msgspec

from mailroom.invoices.columnar import RowBatch
from mailroom.invoices.imports.job import Checkpoint, ImportJob
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.writer import BatchWriter
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document


class SequentialImport(msgspec.Struct, frozen=True):
    """The job stays leased to this worker until its budget is spent."""

    ledger: Ledger
    writer: BatchWriter
    budget: Budget

    def write(self, job: ImportJob, batch: RowBatch, dialect: Document) -> ImportJob | None:
        """Writes a batch and saves the progress. The job as it is leased then; None when the budget is spent."""
        before = job.checkpoint
        counts = self.writer.write(job, batch, before.offset, before.rejected)
        counts.update(before.counts)
        after = Checkpoint(batch.end, batch.row, before.rejected + len(batch.rejected), dict(counts))
        job = self.ledger.checkpoint(job, after, dialect)
        if not self.budget.spent():
            return job
        self.ledger.release(job)
        return None
