"""Metrics of the webhooks, from MongoDB. Each query has an index, and a bound on what it looks at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pymongo.database import Database

from mailroom.platform.metrics import Gauge, gauge, gauges, seconds_since
from mailroom.platform.mongo import Document, counted
from mailroom.webhooks.model import DeliveryState

_MONTH = timedelta(days=30)


def webhooks(database: Database[Document], now: datetime) -> Iterator[Gauge]:
    """Where deliveries and endpoints stand. Errors are the driver's."""
    deliveries = database["webhookDeliveries"]
    endpoints = list(database["webhooks"].find({}, {"enabled": 1, "disabledReason": 1}))
    ids = [each["_id"] for each in endpoints]
    states = {
        state.value: counted(
            deliveries,
            {
                "endpointId": {"$in": ids},
                "state": state,
                **({} if state is DeliveryState.PENDING else {"createdAt": {"$gte": now - _MONTH}}),
            },
            "state",
        )
        for state in DeliveryState
    }
    text = "Deliveries of webhooks by state: pending, or of the last 30 days."
    yield gauges("mailroom_webhook_deliveries", text, "state", states)
    enabled = [each["_id"] for each in endpoints if each["enabled"]]
    due = deliveries.find_one(
        {"endpointId": {"$in": enabled}, "dueAt": {"$exists": True, "$lte": now}},
        {"dueAt": 1},
        sort=[("dueAt", 1)],
        hint="endpointDue",
    )
    text = "How long the delivery that is due for longest has waited."
    yield gauge("mailroom_webhook_oldest_due_seconds", text, seconds_since(due, "dueAt", now))
    disabled = sum(not each["enabled"] and bool(each["disabledReason"]) for each in endpoints)
    yield gauge("mailroom_webhooks_disabled", "Endpoints that Mailroom disabled because they fail.", disabled)
