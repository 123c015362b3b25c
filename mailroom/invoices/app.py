"""The function `invoices`: a Flask application."""

from __future__ import annotations

from datetime import timedelta

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
from mailroom.keys.api import keys, sessions
from mailroom.keys.api.context import KeysContext
from mailroom.keys.codes import LoginCodes
from mailroom.keys.managed import ManagedKeys
from mailroom.keys.managers import Managers
from mailroom.keys.sessions import Sessions
from mailroom.platform.concurrency import ConcurrencyLimit
from mailroom.services import Services
from mailroom.web.app import create_app as create_web_app
from mailroom.web.rate_limit import RateLimit

# Exports and totals in one replica: half of the threads that the function runtime has by default.
LONG_CALLS_AT_ONCE = 4

# Each takes up to PREVIEW_MEMORY_MIB of memory beside the replica's own.
PREVIEWS_AT_ONCE = 2


def create_app(services: Services, rate_limit: RateLimit | None = None) -> Flask:
    """The application. Raises `InvalidSetting` for profiles that cannot be read."""
    app = create_web_app(operations.CONTRACT, services.keys.authenticate, services.settings, rate_limit=rate_limit)
    _context(services).attach(app)
    _keys_context(services).attach(app)
    for module in (invoices, imports, presets, previews, uploads, sessions, keys):
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
