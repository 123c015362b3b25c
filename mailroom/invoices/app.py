"""Wires the function `invoices`."""

from __future__ import annotations

from mailroom.invoices.api.imports import Controls
from mailroom.invoices.api.invoices import READ, WRITE, InvoicesApi
from mailroom.invoices.imports.actions import Control
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.imports.profiles import all_statuses, export_hints, read_profiles
from mailroom.invoices.model.statuses import Statuses
from mailroom.invoices.views.lists import Queries
from mailroom.platform.kick import IMPORTER
from mailroom.services import Services
from mailroom.web.api import Api
from mailroom.web.policy import Policy


def api(services: Services) -> Api:
    """What the function serves. Raises `InvalidSetting` for profiles that are none."""
    database, settings = services.database, services.settings
    statuses, profiles = Statuses.parse(settings.import_statuses), read_profiles(settings.import_profiles).values()
    endpoints = InvoicesApi(
        queries=Queries.of(database),
        ledger=Ledger.of(database, settings),
        objects=services.uploads,
        kicker=services.kicker,
        bucket=settings.invoices_bucket,
        most_seconds=settings.export_seconds,
        statuses=Statuses(all_statuses(statuses.allowed, profiles)),
        csv_hints=export_hints(settings.import_decimal_mark, profiles),
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
