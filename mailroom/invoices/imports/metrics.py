"""Metrics of the imports, from MongoDB. Each query has an index, and a bound on what it looks at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from pymongo import DESCENDING
from pymongo.database import Database

from mailroom.invoices.imports import ledger
from mailroom.invoices.imports.ledger import BY_EVENT, BY_LISTING
from mailroom.platform.metrics import MOST_READ, Gauge, gauge, gauges, quantiles, seconds_since
from mailroom.platform.mongo import Document, counted

OUTCOMES = ("inserted", "updated", "unchanged", "stale", "rejected")

_HOUR, _MONTH = timedelta(hours=1), timedelta(days=30)
_UNFINISHED = (ledger.PENDING, ledger.RUNNING)


def imports(database: Database[Document], now: datetime) -> Iterator[Gauge]:
    """Where imports stand, and how those of the last hour went. Errors are the driver's."""
    collection = database["imports"]
    states = {
        state: counted(
            collection,
            {"state": state, **({} if state in _UNFINISHED else {"createdAt": {"$gte": now - _MONTH}})},
            "state",
        )
        for state in ledger.STATES
    }
    yield gauges("mailroom_imports", "Imports by state: unfinished, or of the last 30 days.", "state", states)
    due = collection.find_one({"dueAt": {"$lte": now}}, {"dueAt": 1}, sort=[("dueAt", 1)], hint="due")
    text = "How long the import that is due for longest has waited."
    yield gauge("mailroom_imports_oldest_waiting_seconds", text, seconds_since(due, "dueAt", now))
    yield from _ended(list(collection.aggregate(ended_pipeline(now - _HOUR), hint="finished")))


def found_by_listing(database: Database[Document], now: datetime) -> Iterator[Gauge]:
    """The files whose event was lost."""
    which = {"foundBy": BY_LISTING, "createdAt": {"$gte": now - _HOUR}}
    text = "Files that the comparison with the bucket found."
    number = counted(database["imports"], which, "foundBy")
    yield gauge("mailroom_files_found_without_event_last_hour", text, number)


def last_event(database: Database[Document]) -> Iterator[Gauge]:
    """The newest event that became an import."""
    found = database["imports"].find_one(
        {"foundBy": BY_EVENT}, {"createdAt": 1}, sort=[("createdAt", DESCENDING)], hint="foundBy"
    )
    if found:
        text = "When the newest event became an import."
        yield gauge("mailroom_events_last_seen_timestamp_seconds", text, found["createdAt"].timestamp())


def ended_pipeline(since: datetime) -> list[Document]:
    """The imports that ended since then, the newest first, without dry runs."""
    return [
        {"$match": {"finishedAt": {"$gte": since}}},
        {"$sort": {"finishedAt": -1}},
        {"$limit": MOST_READ},
        {"$match": {"dryRun": {"$ne": True}}},
        {
            "$project": {
                "_id": 0,
                "state": 1,
                "counts": "$checkpoint.counts",
                "code": "$error.code",
                "finishedAt": 1,
                "orderTime": 1,
            }
        },
    ]


def _ended(found: list[Document]) -> Iterator[Gauge]:
    rows = {outcome: float(sum(each["counts"][outcome] for each in found)) for outcome in OUTCOMES}
    yield gauges("mailroom_import_rows_last_hour", "Rows of imports that ended, by outcome.", "outcome", rows)
    # The time of the upload or, if a person had the file imported once more, of that.
    seconds = [
        each["finishedAt"].timestamp() - each["orderTime"] / 1000 for each in found if each["state"] == ledger.DONE
    ]
    text = "Time from the upload to the end of an import, in seconds."
    yield gauges("mailroom_import_seconds_last_hour", text, "quantile", quantiles(seconds))
    failed = Counter(each["code"] for each in found if each["state"] == ledger.FAILED)
    text = "Imports that failed, by the code of the error."
    yield gauges("mailroom_imports_failed_last_hour", text, "code", failed)
    nothing = sum(0 < each["counts"]["rows"] == each["counts"]["rejected"] for each in found)
    yield gauge("mailroom_imports_nothing_accepted_last_hour", "Imports with every row rejected.", nothing)
