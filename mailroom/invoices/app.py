"""The function `invoices`: a Flask application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from mailroom.invoices.api import imports, invoices, operations, presets, previews, uploads
from mailroom.invoices.api.context import InvoicesContext
from mailroom.invoices.imports.actions import ImportActions
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.model.edits import Edits
from mailroom.invoices.presets.profiles import Profiles
from mailroom.invoices.presets.selection import Selection
from mailroom.invoices.presets.store import Presets
from mailroom.invoices.preview.runner import Previewer
from mailroom.invoices.views.lists import Queries
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
    for blueprint in (invoices.blueprint, imports.blueprint, presets.blueprint, previews.blueprint, uploads.blueprint):
        app.register_blueprint(blueprint)
    return app


def _context(services: Services) -> InvoicesContext:
    database, settings = services.database, services.settings
    return InvoicesContext(
        queries=Queries(database["invoices"], database["imports"]),
        edits=Edits(database["invoices"]),
        ledger=Ledger.of(database, settings),
        actions=ImportActions(database["imports"], database["invoices"], settings.import_lease_seconds),
        objects=services.uploads,
        kicker=services.kicker,
        selection=Selection(Profiles.of(settings), Presets(database)),
        previewer=Previewer(settings.preview_seconds, settings.preview_memory_mib, ConcurrencyLimit(PREVIEWS_AT_ONCE)),
        concurrency=ConcurrencyLimit(LONG_CALLS_AT_ONCE),
        bucket=settings.invoices_bucket,
        public_endpoint=settings.s3_public_endpoint or settings.s3_endpoint,
        export_seconds=settings.export_seconds,
        budget_seconds=settings.work_budget_seconds,
    )


def create_metrics(services: Services) -> Metrics:
    """The metrics of the function."""
    from mailroom.invoices import metrics  # no start waits for it

    return metrics.create_api_metrics(services)
