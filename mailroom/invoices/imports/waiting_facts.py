"""Reads what decides why an import waits. Few queries, each of a bounded size."""

from __future__ import annotations

from datetime import datetime

import msgspec

from mailroom.invoices.imports import waiting
from mailroom.invoices.imports.ledger import HELD
from mailroom.invoices.imports.waiting import MOST_COUNTED, due_import
from mailroom.invoices.indexes import INDEXES
from mailroom.platform.kick import IMPORTER
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.server_clock import ServerClock
from mailroom.platform.waiting import Waiting, WorkerState, worker_state


class ImportWaiting(msgspec.Struct, frozen=True):
    """Answers why an import, or an object without one, waits. Blocks for MongoDB; errors are the driver's.

    `events` and `reconcile_seconds` are as the importer has them.
    """

    imports: Documents
    workers: Documents
    clock: ServerClock
    events: bool
    reconcile_seconds: float

    def of(self, document: Document) -> Waiting | None:
        """Why this import waits, as MongoDB keeps it. An import that has ended costs no query, another one three."""
        job = due_import(document)
        if job.due_at is None and job.state != HELD:
            return None
        now = self.clock.now()
        if job.due_at and job.is_due(now):
            job = due_import(document, self._ahead_of(job.due_at))
        return waiting.of_import(job, self.importer(), now)

    def of_object(self, uploaded_at: datetime) -> Waiting:
        """Why an object that was uploaded then has no import."""
        state, now = self.importer(), self.clock.now()
        return waiting.of_object(uploaded_at, state, now, events=self.events, seconds=self.reconcile_seconds)

    def importer(self) -> WorkerState:
        """What is noted about the importer."""
        return worker_state(self.workers, IMPORTER, INDEXES)

    def _ahead_of(self, due_at: datetime) -> int:
        return self.imports.count_documents({"dueAt": {"$lt": due_at}}, limit=MOST_COUNTED)
