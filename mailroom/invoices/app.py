"""The function `invoices`: a Flask application."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from flask import Flask
from pymongo import IndexModel

from mailroom.invoices.api import imports, invoices, operations, presets, previews, uploads
from mailroom.invoices.api.context import InvoicesContext
from mailroom.invoices.api.figures import views as figures
from mailroom.invoices.api.health import views as health
from mailroom.invoices.api.rows import rejects, source
from mailroom.invoices.imports.actions import ImportActions
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.waiting_facts import ImportWaiting
from mailroom.invoices.model.edits import Edits
from mailroom.invoices.presets.profiles import Profiles
from mailroom.invoices.presets.selection import Selection
from mailroom.invoices.presets.store import Presets
from mailroom.invoices.preview.runner import Previewer
from mailroom.invoices.rejected.corrections import Corrections
from mailroom.invoices.rejected.rejected_rows import RejectedRows
from mailroom.invoices.views.figures import Figures
from mailroom.invoices.views.health import KEPT_SECONDS, HealthChecks
from mailroom.invoices.views.lists import Queries
from mailroom.invoices.views.source import Sources
from mailroom.keys.api import keys, sessions
from mailroom.keys.api.context import KeysContext
from mailroom.keys.codes import LoginCodes
from mailroom.keys.managed import ManagedKeys
from mailroom.keys.managers import Managers
from mailroom.keys.sessions import Sessions
from mailroom.platform.cached import Cached
from mailroom.platform.concurrency import ConcurrencyLimit
from mailroom.services import Services
from mailroom.web.app import create_app as create_web_app
from mailroom.web.rate_limit import RateLimit

if TYPE_CHECKING:
    from mailroom.platform.metrics import Metrics

# Exports and totals in one replica: half of the threads that the function runtime has by default.
LONG_CALLS_AT_ONCE = 4

# Each takes up to PREVIEW_MEMORY_MIB of memory beside the replica's own.
PREVIEWS_AT_ONCE = 2


def create_app(services: Services, rate_limit: RateLimit | None = None) -> Flask:
    """The application. Raises `InvalidSetting` for profiles that cannot be read."""
    app = create_web_app(operations.CONTRACT, services.keys.authenticate, services.settings, rate_limit=rate_limit)
    _context(services).attach(app)
    _keys_context(services).attach(app)
    of_invoices = (invoices, imports, rejects, source, presets, previews, uploads, figures)
    for module in (*of_invoices, health, sessions, keys):
        app.register_blueprint(module.blueprint)
    return app


def _keys_context(services: Services) -> KeysContext:
    database, settings = services.database, services.settings
    stored, idle = database["apiKeys"], timedelta(minutes=settings.session_idle_minutes)
    managers = Managers(services.keys, stored, database["keyGuards"], services.clock)
    return KeysContext(
        keys=ManagedKeys(services.keys, stored, managers, services.clock),
        sessions=Sessions(services.keys, stored, services.clock, settings.session_hours, idle),
        codes=LoginCodes(database, services.clock),
    )


def _context(services: Services) -> InvoicesContext:
    database, settings = services.database, services.settings
    selection = Selection(Profiles.of(settings), Presets(database))
    long_calls = ConcurrencyLimit(LONG_CALLS_AT_ONCE)
    rejected = RejectedRows(database["rejects"])
    waiting = ImportWaiting(
        database["imports"],
        database["workers"],
        services.clock,
        events=settings.events != "poll",
        reconcile_seconds=settings.reconcile_seconds,
    )
    checks = HealthChecks(waiting, services.uploads, settings.invoices_bucket, _all_indexes)
    return InvoicesContext(
        queries=Queries(database["invoices"], database["imports"]),
        edits=Edits(database["invoices"]),
        ledger=Ledger.of(database, settings),
        actions=ImportActions(database["imports"], database["invoices"], settings.import_lease_seconds),
        rejected=rejected,
        corrections=Corrections(rejected, database["invoices"], services.uploads, selection),
        figures=Figures(database, long_calls, settings.export_seconds, waiting),
        sources=Sources(database["imports"], services.uploads, selection, settings.invoices_bucket),
        objects=services.uploads,
        kicker=services.kicker,
        selection=selection,
        previewer=Previewer(settings.preview_seconds, settings.preview_memory_mib, ConcurrencyLimit(PREVIEWS_AT_ONCE)),
        concurrency=long_calls,
        waiting=waiting,
        health=Cached(checks.look, KEPT_SECONDS),
        bucket=settings.invoices_bucket,
        rejects_bucket=settings.rejects_bucket,
        public_endpoint=settings.s3_public_endpoint or settings.s3_endpoint,
        export_seconds=settings.export_seconds,
        budget_seconds=settings.work_budget_seconds,
    )


def create_metrics(services: Services) -> Metrics:
    """The metrics of the function."""
    from mailroom.invoices import metrics  # no start waits for it

    return metrics.create_api_metrics(services)


def _all_indexes() -> dict[str, list[IndexModel]]:
    """What set-up makes for all applications. Imported when it is asked for: a function that starts does without it."""
    from mailroom.invoices.indexes import INDEXES as OF_INVOICES
    from mailroom.keys.indexes import INDEXES as OF_KEYS
    from mailroom.notifications.indexes import INDEXES as OF_NOTIFICATIONS
    from mailroom.webhooks.indexes import INDEXES as OF_WEBHOOKS

    return OF_INVOICES | OF_KEYS | OF_NOTIFICATIONS | OF_WEBHOOKS
