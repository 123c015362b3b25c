"""The figures of an overview. Each is computed at most once a minute in a process, in bounded time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial

import msgspec
from pymongo.database import Database

from mailroom.invoices.imports.job import COUNTS
from mailroom.invoices.imports.ledger import PENDING, RUNNING
from mailroom.invoices.imports.waiting_facts import ImportWaiting
from mailroom.invoices.views.filters import InvoiceFilter, plan_invoices
from mailroom.invoices.views.totals import read_totals
from mailroom.platform.cached import Cached
from mailroom.platform.concurrency import ConcurrencyLimit
from mailroom.platform.mongo import Document, server_time, time_limit
from mailroom.platform.waiting import Waiting

DAYS = (1, 30)
"""The spans of days that figures of imports are of."""

_SECONDS = 60.0
_YEARS = 2
_MOST_MONTHS = 10_000  # of months and currencies


class ImportSums(msgspec.Struct, frozen=True):
    """The imports of the last days: how many, by state, and the sums of their counts."""

    days: int
    files: int
    states: dict[str, int]
    counts: dict[str, int]
    computed_at: datetime


class MonthSums(msgspec.Struct, frozen=True):
    """Groups of `read_totals`, by month and currency."""

    items: list[Document]
    computed_at: datetime


class WaitingImports(msgspec.Struct, frozen=True):
    """How many imports wait for a worker, the one that was made first, and what it waits for."""

    waiting: int
    oldest: Document | None
    waits_for: Waiting | None
    computed_at: datetime


class Figures:
    """Every figure may block for `seconds`, for `limit` has a slot for it.

    Raises `Busy` when no slot is free, and `Invalid` when there are more invoices than can be summed in this time.
    """

    def __init__(
        self, database: Database[Document], limit: ConcurrencyLimit, seconds: float, waiting: ImportWaiting
    ) -> None:
        self._database = database
        self._import_waiting = waiting
        self._limit = limit
        self._limited_to = seconds
        self._imports: Mapping[int, Cached[ImportSums]] = {
            days: Cached(partial(self._sum_imports, days), _SECONDS) for days in DAYS
        }
        self._months = Cached(self._sum_months, _SECONDS)
        self._waiting = Cached(self._find_waiting, _SECONDS)

    def imports(self, days: int) -> ImportSums:
        """The imports of the last `days`, one of `DAYS`. Dry runs do not count."""
        return self._imports[days].get()

    def months(self) -> MonthSums:
        """The invoices of the last two years and of all months to come."""
        return self._months.get()

    def waiting(self) -> WaitingImports:
        """The imports that wait, or whose worker has died."""
        return self._waiting.get()

    def _sum_imports(self, days: int) -> ImportSums:
        now = server_time(self._database)
        which = {"createdAt": {"$gte": now - timedelta(days=days)}, "dryRun": {"$ne": True}}
        sums = {name: {"$sum": f"$checkpoint.counts.{name}"} for name in COUNTS}
        pipeline: list[Document] = [
            {"$match": which},
            {"$group": {"_id": "$state", "files": {"$sum": 1}, **sums}},
        ]
        with self._limit.slot(), time_limit(self._database, self._limited_to):
            groups = list(self._database["imports"].aggregate(pipeline, hint="createdAt"))
        return ImportSums(
            days,
            sum(group["files"] for group in groups),
            {group["_id"]: group["files"] for group in sorted(groups, key=lambda group: str(group["_id"]))},
            {name: sum(group[name] for group in groups) for name in COUNTS},
            now,
        )

    def _sum_months(self) -> MonthSums:
        now = server_time(self._database)
        listed = plan_invoices(InvoiceFilter(date_from=date(now.year - _YEARS, now.month, 1)))
        with self._limit.slot():
            found = read_totals(
                self._database["invoices"], listed, ["month", "currency"], _MOST_MONTHS, None, self._limited_to
            )
        return MonthSums(found.items, now)

    def _find_waiting(self) -> WaitingImports:
        now = server_time(self._database)
        imports = self._database["imports"]
        which = {"dueAt": {"$lte": now}, "state": {"$in": [PENDING, RUNNING]}}
        with time_limit(self._database, self._limited_to):
            waiting = imports.count_documents(which)
            oldest = imports.find_one(which, {"partIds": 0}, sort=[("createdAt", 1)]) if waiting else None
        waits_for = self._import_waiting.of(oldest) if oldest else None
        return WaitingImports(waiting, oldest, waits_for, now.astimezone(UTC))
