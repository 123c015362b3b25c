"""Metrics of the messages, from MongoDB. Each query has an index, and a bound on what it looks at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from pymongo.database import Database

from mailroom.notifications.model.messages import Priority, State, newest_connection
from mailroom.notifications.model.reports import Delivery
from mailroom.notifications.outbox.claims import Claims
from mailroom.notifications.outbox.figures import counts_by_state
from mailroom.platform.metrics import MOST_READ, Gauge, gauge, gauges, quantiles, seconds_since
from mailroom.platform.mongo import Document, counted

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_TAKEN = (State.SENT, State.PARTIAL)


def messages(database: Database[Document], claims: Claims, now: datetime) -> Iterator[Gauge]:
    """Where messages stand. Errors are the driver's."""
    collection = database["notifications"]
    counts = counts_by_state(collection, claims, now)
    yield gauges("mailroom_messages", "Messages by status: unfinished, or of the last 30 days.", "status", counts)
    first = [
        collection.find_one(
            {"priority": priority, "dueAt": {"$exists": True, "$lte": now}},
            {"dueAt": 1},
            sort=[("dueAt", 1)],
            hint="waiting",
        )
        for priority in Priority
    ]
    text = "How long the message that is due for longest has waited."
    yield gauge("mailroom_messages_oldest_due_seconds", text, max(seconds_since(each, "dueAt", now) for each in first))


def attempts(database: Database[Document], now: datetime) -> Iterator[Gauge]:
    """How the relay answered, and how long messages took."""
    collection = database["notifications"]
    classes: Counter[str] = Counter({"2xx": 0, "4xx": 0, "5xx": 0, "none": 0})
    for each in collection.aggregate(attempts_pipeline(now - _HOUR), hint="tried"):
        classes[answer_class(**each["_id"])] += each["count"]
    yield gauges("mailroom_attempts_last_hour", "Attempts by the class of the relay's answer.", "class", classes)
    sent = collection.aggregate(sent_pipeline(now - _HOUR), hint="tried")
    seconds = [(each["sentAt"] - each["dueSince"]).total_seconds() for each in sent]
    text = "Time from when a message was first due to its hand-over, in seconds."
    yield gauges("mailroom_message_seconds_last_hour", text, "quantile", quantiles(seconds))


def reports(database: Database[Document], now: datetime) -> Iterator[Gauge]:
    """How much mail was sent, what came back, and which addresses get no mail."""
    collection, recent = database["notifications"], {"createdAt": {"$gte": now - _DAY}}
    taken = [counted(collection, {"state": state, **recent}, "state") for state in _TAKEN]
    tests = counted(collection, {"test": True, "state": {"$in": _TAKEN}, **recent}, "test")
    text = "Messages of the last day that the relay took."
    yield gauge("mailroom_messages_sent_last_day", text, max(0.0, sum(taken) - tests))
    counts = dict.fromkeys((each.value for each in Delivery), 0)
    for each in collection.aggregate(reports_pipeline(now - _DAY), hint="reported"):
        counts[each["_id"]] = each["count"]
    yield gauges("mailroom_deliveries_last_day", "Reports on mail, by what they say.", "delivery", counts)
    suppressed = database["suppressions"].estimated_document_count()
    yield gauge("mailroom_suppressions", "Entries of the suppression list.", suppressed)


def answer_class(outcome: str, steps: list[Document]) -> str:
    """The class of an attempt: that of the first answer that refused something, if it did not succeed.

    On a new connection, what the old one ended with does not count.
    """
    if outcome in _TAKEN:
        return "2xx"
    newest = steps[newest_connection([each["step"] for each in steps]) :]
    codes = [each["code"] for each in newest if each["step"] != "rset"]
    refused = next((code for code in codes if code is None or code >= 400), None)
    return "none" if refused is None else f"{refused // 100}xx"


def attempts_pipeline(since: datetime) -> list[Document]:
    """The attempts that ended since then, by outcome and the codes of the answers."""
    return [
        *_tried(since),
        {"$match": {"test": {"$ne": True}}},
        {"$project": {f"attempts.{name}": 1 for name in ("endedAt", "outcome", "steps.step", "steps.code")}},
        {"$unwind": "$attempts"},
        # Without steps the message was suppressed, or the attempt was cut off.
        {
            "$match": {
                "attempts.endedAt": {"$gte": since},
                "attempts.steps.0": {"$exists": True},
                "attempts.steps.step": {"$ne": "simulator"},
            }
        },
        {"$group": {"_id": {"outcome": "$attempts.outcome", "steps": "$attempts.steps"}, "count": {"$sum": 1}}},
    ]


def sent_pipeline(since: datetime) -> list[Document]:
    """The messages that were handed over since then: when they were first due, and when they were handed over."""
    return [
        *_tried(since),
        {"$match": {"sentAt": {"$gte": since}, "test": {"$ne": True}}},
        {"$project": {"_id": 0, "dueSince": 1, "sentAt": 1}},
    ]


def reports_pipeline(since: datetime) -> list[Document]:
    """The reports that came since then, by what they say, without those of the simulator."""
    return [
        {"$match": {"reports.receivedAt": {"$gte": since}}},
        {"$sort": {"reports.receivedAt": -1}},
        {"$limit": MOST_READ},
        {"$project": {f"reports.{name}": 1 for name in ("delivery", "receivedAt", "source")}},
        {"$unwind": "$reports"},
        {"$match": {"reports.receivedAt": {"$gte": since}, "reports.source": {"$ne": "simulator"}}},
        {"$group": {"_id": "$reports.delivery", "count": {"$sum": 1}}},
    ]


def _tried(since: datetime) -> list[Document]:
    """The messages that were tried since then, the newest first."""
    return [
        {"$match": {"updatedAt": {"$gte": since}, "settledBy": {"$exists": True}}},
        {"$sort": {"updatedAt": -1}},
        {"$limit": MOST_READ},
    ]
