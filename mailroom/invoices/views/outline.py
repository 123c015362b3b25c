"""Where the invoices lie: how many there are at each date and time of change, and with what is looked up together.

Read from a sample, which the lowest `_id`s are, for an `_id` is a hash. It steers how lists are read, never what is
read.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from bson import ObjectId
from pymongo.errors import OperationFailure, PyMongoError

from mailroom.errors import NotSetUp
from mailroom.invoices.indexes import INDEXES
from mailroom.invoices.model.document import lookup
from mailroom.invoices.views.spread import ENOUGH_TO_TELL, by_accident, spread
from mailroom.platform.mongo import Documents
from mailroom.platform.windows import Stop
from mailroom.web.paging import MILLISECOND

_FIELDS = ("invoiceDate", "updatedAt")

_STEP = 4  # between the parts of all invoices that are tried until there are enough
_SAMPLE_SIZE = 1200
_TOO_MANY = _SAMPLE_SIZE * _STEP
_BATCH = 200  # so many are decoded in one go, in which no other thread runs
_SMALLEST_PART = 4**9
_ALIKE = 24  # so many days of the sample, one behind the other, are levelled
_SURELY_OF_A_DAY = 32  # so many of the sample on one day are no accident
_SURELY = 3  # nor so many at one time of change
_TOGETHER = 8  # between two such times
_MOST_DAYS = 1000
_DAY = timedelta(days=1)
_UNSEEN = 1  # what none or one of the sample has counts as much, and all else as so many more: what is rare is missed
_SECONDS = 60.0  # so long an outline is used
_MOST_SPREAD = 40  # entries: for each, all days are kept


# Of `lookups`, one; or that of a supplier and that of a status.
Entries = tuple[str, ...]


class Outline(msgspec.Struct, frozen=True):
    """`each`: the invoices that one of the sample stands for. A `Stop` weighs those of the sample.

    `days`: how many with an entry are of each day, where there are enough. `reads_any_of`: the server reads an `$or` of
    ranges as well as each of them.
    """

    each: float
    size: int
    stops: Mapping[str, Sequence[Stop]]
    lookups: Mapping[Entries, int]
    reads_any_of: bool
    days: Mapping[Entries, Mapping[datetime, int]] = msgspec.field(default_factory=dict)
    _spread: dict[Entries, Sequence[Stop]] = msgspec.field(default_factory=dict)

    def along(self, field: str, entries: Entries) -> Sequence[Stop]:
        """The stops, weighed as those with these entries are spread, as far as the sample tells."""
        stops = self.stops[field]
        if field != "invoiceDate" or entries not in self.days:
            return stops
        found = self._spread.get(entries)
        if found is None:  # or two threads make the same
            found = spread(stops, self.days[entries], self.lookups[entries] / self.size)
            if len(self._spread) >= _MOST_SPREAD:
                self._spread.clear()
            self._spread[entries] = found
        return found

    def found(self, entries: Entries) -> int:
        """How many of the sample may have this entry in `lookups`, or these of its supplier and its status."""
        return self.lookups.get(entries, 0) + _UNSEEN

    def share(self, entries: Entries) -> float:
        """What part of all invoices that is."""
        return min(1.0, self.found(entries) / max(self.size, 1))


class Outlines(msgspec.Struct):
    """The newest outline. Blocks for a few answers the first time; then an old one may do while a new one is read."""

    invoices: Documents
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)
    _part: int = _SMALLEST_PART
    _read_at: float = 0.0
    _tried_at: float = 0.0
    _any_of: bool | None = None
    _outline: Outline | None = None

    def newest(self, *, old_will_do: bool = True) -> Outline:
        """Raises `NotSetUp`, and the driver's errors."""
        outline, now = self._outline, self.clock()
        if outline is None or (now - self._read_at > _SECONDS and not old_will_do):
            return self._renew(outline)
        if now - max(self._read_at, self._tried_at) > _SECONDS:
            self._tried_at = now
            threading.Thread(target=self._renew_meanwhile, args=(outline,), name="outline", daemon=True).start()
        return outline

    def _renew_meanwhile(self, old: Outline) -> None:
        try:
            self._renew(old)
        except (PyMongoError, NotSetUp):
            self._outline = None  # the next call meets the error

    def _renew(self, old: Outline | None) -> Outline:
        """What follows `old`: read once, whoever else asks for it meanwhile."""
        with self._lock:
            if self._outline is not None and self._outline is not old:
                return self._outline
            self._require_indexes()
            outline = self._sample()
            self._outline, self._read_at = outline, self.clock()
            return outline

    def _require_indexes(self) -> None:
        """No query names its index. Without them, each would read everything."""
        if missing := {index.document["name"] for index in INDEXES["invoices"]} - set(
            self.invoices.index_information()
        ):
            raise NotSetUp(f"invoices has no index {min(missing)}")

    def _sample(self) -> Outline:
        while len(found := self._lowest(self._part)) < _SAMPLE_SIZE and self._part > 1:
            self._part //= _STEP
        if self._any_of is None:
            self._any_of = self._reads_any_of()
        outline = _outline(found, self._part, self._outside(found), self._any_of)
        if len(found) > _TOO_MANY:
            self._part *= _STEP  # the next time
        return outline

    def _outside(self, sample: list[dict[str, Any]]) -> Counter[datetime]:
        """How many invoices each day has that is before the first of the sample or behind its last.

        Before the first are as many as one of the sample stands for, more or less; so behind the last.
        """
        days = [one["invoiceDate"] for one in sample]
        fields = {"invoiceDate": 1, "_id": 0}
        outside = [{"$lte": min(days) - _DAY}, {"$gte": max(days) + _DAY}] if days else []
        found = (self.invoices.find({"invoiceDate": bounds}, fields, batch_size=_BATCH) for bounds in outside)
        return Counter(one["invoiceDate"] for some in found for one in some)

    def _reads_any_of(self) -> bool:
        """SecantusDB's Python server does not: it reads everything.

        Asked of a small collection: its Rust server took 20 s to explain how it would read one of 1,000,000.
        """
        find = {"find": "apiKeys", "filter": {"$or": [{"_id": 1}, {"_id": 2}]}}
        try:
            answer = self.invoices.database.command("explain", find, verbosity="queryPlanner")
        except OperationFailure:
            return False
        return "COLLSCAN" not in str(answer.get("queryPlanner", {}).get("winningPlan", "COLLSCAN"))

    def _lowest(self, part: int) -> list[dict[str, Any]]:
        """That part of all invoices, as one of `part`, which has the lowest `_id`s."""
        last = ObjectId(f"{(1 << 96) // part - 1:024x}")
        fields = dict.fromkeys((*_FIELDS, "lookups", "supplierKey", "status"), 1)
        return list(self.invoices.find({"_id": {"$lte": last}}, fields, batch_size=_BATCH))


def _outline(sample: list[dict[str, Any]], each: int, outside: Mapping[datetime, int], reads_any_of: bool) -> Outline:
    dates, changes = (Counter(one[name] for one in sample) for name in _FIELDS)
    dated = [(one["invoiceDate"], entries) for one in sample for entries in _entries(one)]
    lookups = Counter(entries for _, entries in dated)
    days: dict[Entries, dict[datetime, int]] = {
        entries: defaultdict(int) for entries, count in lookups.items() if count >= ENOUGH_TO_TELL
    }
    for day, entries in dated:
        if entries in days:
            days[entries][day] += 1
    stops = {
        "invoiceDate": _by_day(dates, {day: count / each for day, count in outside.items()}),
        "updatedAt": _by_time(changes),
    }
    known = {entries: count for entries, count in lookups.items() if count > 1}
    return Outline(float(each), len(sample), stops, known, reads_any_of, days)


def _entries(one: Mapping[str, Any]) -> tuple[Entries, ...]:
    of_supplier = lookup("supplier", one["supplierKey"]), lookup("status", one["status"])
    return of_supplier, *((entry,) for entry in one["lookups"])


def _by_day(dates: Counter[datetime], outside: Mapping[datetime, float]) -> list[Stop]:
    """A stop for each day from the first to the last of the sample, and for those outside."""
    days = sorted(dates)
    weights = dict(outside)
    for at in range(0, len(days), _ALIKE):
        some = days[at : at + _ALIKE]
        begin = days[at - 1] + _DAY if at else days[0]
        weights |= _levelled({day: dates[day] for day in some}, begin)
    return [Stop(day, weight, weight) for day, weight in sorted(weights.items())]


def _levelled(counts: Mapping[datetime, int], begin: datetime) -> dict[datetime, float]:
    """The days from `begin` to the last. Those are alike whose counts may differ by accident: one has the mean of them.

    What is usual is the median, on which the few days with many have no influence.
    """
    length = (max(counts) - begin).days + 1
    days = [begin + _DAY * day for day in range(length)] if 0 < length <= _MOST_DAYS else counts
    weights = {day: float(counts.get(day, 0)) for day in days}
    usual = sorted(weights.values())[len(weights) // 2]
    apart = by_accident(usual)
    most = min(usual + apart, _SURELY_OF_A_DAY)
    alike = [day for day, count in weights.items() if usual - apart <= count <= most]
    mean = sum(weights[day] for day in alike) / max(len(alike), 1)
    return weights | dict.fromkeys(alike, mean)


def _by_time(times: Counter[datetime]) -> list[Stop]:
    """A stop for each time. Of one with few of the sample, half is taken to have been before it, spread evenly."""
    stops: list[Stop] = []
    for time_, count in sorted(times.items()):
        width = (time_ - stops[-1].value) // (_TOGETHER + 1) // MILLISECOND * MILLISECOND if stops else timedelta()
        if width and count < _SURELY:
            begin, part = stops[-1].value, count / 2 / _TOGETHER
            stops += [Stop(begin + width * number, part, 0) for number in range(1, _TOGETHER + 1)]
            stops.append(Stop(time_, count / 2, count / 2))
        else:
            stops.append(Stop(time_, count, count))
    return stops
