"""Wires the importer and its API for the functions."""

from __future__ import annotations

from mailroom.invoices.announcements import announcer
from mailroom.invoices.api import IMPORTER, READ, WRITE, InvoicesApi
from mailroom.invoices.control import Control
from mailroom.invoices.controls import Controls
from mailroom.invoices.importer import Importer
from mailroom.invoices.ledger import Ledger
from mailroom.invoices.parsing import Rules
from mailroom.invoices.predictions import Predictions
from mailroom.invoices.profiles import Profiles, read_aliases, read_profiles
from mailroom.invoices.queries import Queries
from mailroom.invoices.reconcile import Reconciler
from mailroom.invoices.rejects import RejectLimit, Rejects
from mailroom.invoices.statuses import Statuses
from mailroom.invoices.store import InvoiceStore
from mailroom.platform.clock import Budget
from mailroom.platform.http import Api
from mailroom.platform.policy import Policy
from mailroom.platform.settings import Settings
from mailroom.platform.worker import Worker
from mailroom.wiring import Services


def ledger(services: Services) -> Ledger:
    settings = services.settings
    announces = bool(settings.import_notify)
    return Ledger(services.database["imports"], settings.import_lease_seconds, announces=announces)


def api(services: Services) -> Api:
    """The function `invoices`."""
    database, settings = services.database, services.settings
    endpoints = InvoicesApi(
        queries=Queries.of(database),
        ledger=ledger(services),
        objects=services.uploads,
        kicker=services.kicker,
        bucket=settings.invoices_bucket,
        export_seconds=settings.export_seconds,
        statuses=Statuses(rules(settings).statuses),
    )
    controls = Controls(
        control=Control(database["imports"], database["invoices"], settings.import_lease_seconds),
        objects=services.uploads,
        bucket=settings.invoices_bucket,
        public_endpoint=settings.s3_public_endpoint or settings.s3_endpoint,
        budget_seconds=settings.work_budget_seconds,
        kick=lambda: services.kicker.kick(IMPORTER),
    )
    routes = endpoints.routes(services.keys.authenticate, Policy.of(settings))
    controls.add_to(routes, READ, WRITE)
    return routes


def worker(services: Services) -> Worker:
    """The function `invoice-importer`."""
    importer, reconciler, announce = _importer(services), _reconciler(services), announcer(services)

    def work(budget: Budget) -> int:
        done = importer.run(budget)
        announce()
        if not budget.spent() and reconciler.run(budget):
            done += importer.run(budget)
            announce()
        return done

    return Worker(work, services.settings.work_budget_seconds, more=lambda: services.kicker.kick(IMPORTER))


def _importer(services: Services) -> Importer:
    database, settings = services.database, services.settings
    return Importer(
        ledger=ledger(services),
        invoices=InvoiceStore(database["invoices"]),
        predictions=lambda run: Predictions(database["predictions"], database["invoices"], run),
        rejects=Rejects(database["rejects"], services.objects, settings.rejects_bucket, settings.import_rejects_kept),
        reject_limit=RejectLimit(settings.import_max_rejects, settings.import_max_rejects_percent),
        objects=services.objects,
        profiles=Profiles(rules(settings), read_profiles(settings.import_profiles)),
        batch_rows=settings.import_batch_rows,
        call_help=lambda: services.kicker.kick(IMPORTER),
    )


def _reconciler(services: Services) -> Reconciler:
    return Reconciler(
        cursors=services.database["cursors"],
        ledger=ledger(services),
        objects=services.objects,
        bucket=services.settings.invoices_bucket,
        interval=services.settings.reconcile_seconds,
    )


def rules(settings: Settings) -> Rules:
    """What the settings say about reading files."""
    return Rules(
        date_order=settings.import_date_order,  # type: ignore[arg-type]  # checked by settings
        decimal_mark=settings.import_decimal_mark,  # type: ignore[arg-type]
        statuses=frozenset(filter(None, (status.strip() for status in settings.import_statuses.split(",")))),
        amount_tolerance=settings.import_amount_tolerance,
        extra_columns=settings.import_extra_columns,  # type: ignore[arg-type]
        aliases=read_aliases(settings.import_aliases),
        encoding=settings.import_encoding,
    )
