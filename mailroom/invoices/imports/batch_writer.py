"""Writes a batch of rows, and counts them."""

from __future__ import annotations

from collections import Counter

import msgspec

from mailroom.invoices.columnar import RowBatch
from mailroom.invoices.imports.dry_run import DryRun
from mailroom.invoices.imports.job import COUNTS, ImportJob
from mailroom.invoices.imports.rejects import Rejects
from mailroom.invoices.imports.writer import InvoiceWriter


class BatchWriter(msgspec.Struct, frozen=True):
    """Writes the rejected rows, and the invoices of the others. A dry run writes its invoices apart."""

    invoices: InvoiceWriter
    dry_run: DryRun
    rejects: Rejects

    def write(self, job: ImportJob, batch: RowBatch, offset: int, rejected: int) -> Counter[str]:
        """Writes a batch that begins at `offset`, behind so many `rejected` rows; its counts.

        To repeat a batch changes nothing and counts the same. Raises as `InvoiceWriter.write`.
        """
        self.rejects.add(job.id, batch.rejected, rejected, batch.stamp.now)
        counts = Counter(dict.fromkeys(COUNTS, 0))
        counts.update(self._write_rows(job, batch, offset))
        counts.update(rows=batch.count, rejected=len(batch.rejected))
        return counts

    def _write_rows(self, job: ImportJob, batch: RowBatch, offset: int) -> Counter[str]:
        now = batch.stamp.now
        if job.dry_run:
            return self.dry_run.write(job.id, batch.all_rows(), job.writes_as, offset, now)
        if not batch.distinct:
            return self.invoices.write(batch.all_rows(), job.writes_as, offset, now)
        counts = self.invoices.insert(batch.encoded, job.writes_as, offset, now)
        return counts + self.invoices.write(batch.rows, job.writes_as, offset, now)
