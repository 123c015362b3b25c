"""Wires the function `invoice-importer`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mailroom.errors import MissingSecret, Unavailable
from mailroom.invoices.imports.chunks import Chunks
from mailroom.invoices.imports.comparison import RowComparison
from mailroom.invoices.imports.dry_run import DryRun
from mailroom.invoices.imports.importer import Importer
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.mails import mailer
from mailroom.invoices.imports.polling import Poller
from mailroom.invoices.imports.reconcile import Reconciler
from mailroom.invoices.imports.rejects import RejectLimit, Rejects
from mailroom.invoices.imports.restarts import Restarts
from mailroom.invoices.imports.writer import BatchWriter, InvoiceWriter
from mailroom.invoices.presets.profiles import Profiles
from mailroom.invoices.presets.selection import Selection
from mailroom.invoices.presets.store import Presets
from mailroom.platform.clock import Budget
from mailroom.platform.kick import IMPORTER
from mailroom.platform.kick_marks import WorkerMarks
from mailroom.platform.mongo import Documents
from mailroom.platform.objects import ObjectStore
from mailroom.platform.worker import Worker
from mailroom.services import Services

if TYPE_CHECKING:
    from mailroom.platform.metrics import Metrics

log = logging.getLogger(__name__)

# A call that may take less does not ask the object store for its start: the answer could take all of it.
_LEAST_SECONDS = 1.0


def create_worker(services: Services) -> Worker:
    """The work of a call: imports, mails about them, and now and then a comparison of the bucket with the jobs."""
    marks = services.worker_marks(IMPORTER)
    importer, write_mails = _importer(services, marks), mailer(services)
    poll = services.settings.events == "poll"
    finder = _poller(services) if poll else _reconciler(services)
    restarts = _restarts(services)

    def find_first(budget: Budget) -> None:
        if poll:
            finder.run(budget)
        elif restarts.run(budget, may_ask=budget.remaining() > _LEAST_SECONDS / 4):
            marks.will_look_again()

    def work(budget: Budget) -> int:
        # Before the imports: a queue that never empties must not put it off. It leaves them most of the time.
        try:
            find_first(Budget(budget.remaining() / 4))
        except (Unavailable, MissingSecret) as error:
            log.warning("the object store cannot be asked what it holds: %s", error)  # each import says so too
        done = importer.run(budget)
        write_mails()
        # Also when the imports took all the time: it compares at least one page, so no import can hold it up.
        if finder.run(budget):
            done += importer.run(budget)
            write_mails()
        return done

    return Worker(work, services.settings.work_budget_seconds, marks, more=lambda: services.kicker.kick(IMPORTER))


def _importer(services: Services, marks: WorkerMarks) -> Importer:
    database, settings = services.database, services.settings
    ledger, invoices = Ledger.of(database, settings, services.announcer), database["invoices"]
    rejects = Rejects(
        database["rejects"],
        services.objects,
        settings.rejects_bucket,
        settings.import_rejects_kept,
        settings.import_rejects_kept_bytes,
    )
    return Importer(
        ledger=ledger,
        chunks=Chunks(ledger),
        comparison=RowComparison(ledger, database["comparisons"]),
        writer=BatchWriter(InvoiceWriter(invoices, ledger.imports), DryRun(database["predictions"], invoices), rejects),
        rejects=rejects,
        reject_limit=RejectLimit(settings.import_max_rejects, settings.import_max_rejects_percent),
        objects=services.objects,
        selection=Selection(Profiles.of(settings), Presets(database)),
        batch_rows=settings.import_batch_rows,
        slice_seconds=settings.import_slice_seconds,
        will_look_again=marks.will_look_again,
        call_help=lambda: services.kicker.call_help(IMPORTER),
    )


def _reconciler(services: Services) -> Reconciler:
    return Reconciler(*_cursors_ledger_bucket(services), interval=services.settings.reconcile_seconds)


def _poller(services: Services) -> Poller:
    return Poller(*_cursors_ledger_bucket(services))


def _restarts(services: Services) -> Restarts:
    return Restarts(*_cursors_ledger_bucket(services), started_at=services.minio_started_at)


def _cursors_ledger_bucket(services: Services) -> tuple[Documents, Ledger, ObjectStore, str]:
    """What all three need: the places in the lists, the ledger of imports, the store and its bucket."""
    database, settings = services.database, services.settings
    return database["cursors"], Ledger.of(database, settings), services.objects, settings.invoices_bucket


def create_metrics(services: Services) -> Metrics:
    """The metrics of the function."""
    from mailroom.invoices import metrics  # no start waits for it

    return metrics.create_importer_metrics(services)
