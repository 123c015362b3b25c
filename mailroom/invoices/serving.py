"""Wires the function `invoices`."""

from __future__ import annotations

from mailroom.invoices.api import READ, WRITE, InvoicesApi
from mailroom.invoices.control import Control
from mailroom.invoices.controls import Controls
from mailroom.invoices.ledger import Ledger
from mailroom.invoices.profiles import all_statuses, export_hints, read_profiles
from mailroom.invoices.queries import Queries
from mailroom.invoices.statuses import Statuses
from mailroom.platform.http import Api
from mailroom.platform.kick import IMPORTER
from mailroom.platform.policy import Policy
from mailroom.wiring import Services


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
