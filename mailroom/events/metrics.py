"""The metrics of the function `invoice-events`."""

from __future__ import annotations

from mailroom.events.ignored import IGNORED
from mailroom.invoices.imports.metrics import last_event
from mailroom.platform.metrics import Gauge, Metrics, Part, general
from mailroom.platform.secrets import WEBHOOK_TOKEN
from mailroom.services import Services


def create_metrics(services: Services) -> Metrics:
    """The newest event from MongoDB, and what this process has counted."""

    def own() -> list[Gauge]:
        text = "Events that were answered with success, and became no import."
        ignored = Gauge("mailroom_events_ignored", text, {(): float(IGNORED.count)}, counter=True)
        return [*general(services.settings, services.secrets, (WEBHOOK_TOKEN,)), ignored]

    return Metrics(own, (Part("mongodb", lambda: last_event(services.database)),))
