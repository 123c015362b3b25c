"""Where the invoices lie: how many there are at each date and time of change, and with what is looked up together.

Read from a sample, which the lowest `_id`s are, for an `_id` is a hash. It steers how lists are read, never what is
read.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from bson import ObjectId
from pymongo.errors import PyMongoError

from mailroom.errors import NotSetUp
from mailroom.invoices.content import lookup
from mailroom.invoices.indexes import INDEXES
from mailroom.platform.mongo import Documents
from mailroom.platform.paging import MILLISECOND
from mailroom.platform.windows import Stop

_FIELDS = ("invoiceDate", "updatedAt")

_STEP = 4  # between the parts of all invoices that are tried until there are enough
_ENOUGH = 1200
_TOO_MANY = _ENOUGH * _STEP
_BATCH = 200  # so many are decoded in one go, in which no other thread runs
_SMALLEST_PART = 4**9
_SURELY = 3  # so many of the sample with one value are no accident
_TOGETHER = 8  # of those with other dates, neighbours
_MOST_DAYS = 1000
_DAY = timedelta(days=1)
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)
_UNSEEN = 0.5  # so many of the sample are taken to have what none has, or one
_SECONDS = 60.0  # so long an outline is used


class Outline(msgspec.Struct, frozen=True):
    """`each`: the invoices that one of the sample stands for. A `Stop` weighs those of the sample."""

    each: float
    size: int
    stops: Mapping[str, Sequence[Stop]]
    lookups: Mapping[tuple[str, ...], int]

    def found(self, entries: tuple[str, ...]) -> float:
        """How many of the sample have this entry in `lookups`, or these of its supplier and its status. More than 0."""
        return self.lookups.get(entries, _UNSEEN)

    def share(self, entries: tuple[str, ...]) -> float:
        """What part of all invoices that is."""
        return self.found(entries) / max(self.size, 1)


class Outlines(msgspec.Struct):
    """The newest outline. Blocks for a few answers the first time; then an old one may do while a new one is read."""

    invoices: Documents
    clock: Callable[[], float] = time.monotonic
    _part: int = _SMALLEST_PART
    _read_at: float = 0.0
    _tried_at: float = 0.0
    _outline: Outline | None = None

    def newest(self, *, old_will_do: bool = True) -> Outline:
        """Raises `NotSetUp`, and the driver's errors."""
        outline, now = self._outline, self.clock()
        if outline is None or (now - self._read_at > _SECONDS and not old_will_do):
            return self._renew()
        if now - max(self._read_at, self._tried_at) > _SECONDS:
            self._tried_at = now
            threading.Thread(target=self._renew_meanwhile, name="outline", daemon=True).start()
        return outline

    def _renew_meanwhile(self) -> None:
        try:
            self._renew()
        except (PyMongoError, NotSetUp):
            self._outline = None  # the next call meets the error

    def _renew(self) -> Outline:
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
        while len(found := self._lowest(self._part)) < _ENOUGH and self._part > 1:
            self._part //= _STEP
        outline = _outline(found, self._part)
        if len(found) > _TOO_MANY:
            self._part *= _STEP  # the next time
        return outline

    def _lowest(self, part: int) -> list[dict[str, Any]]:
        """That part of all invoices, as one of `part`, which has the lowest `_id`s."""
        last = ObjectId(f"{(1 << 96) // part - 1:024x}")
        fields = dict.fromkeys((*_FIELDS, "lookups", "supplierKey", "status"), 1)
        return list(self.invoices.find({"_id": {"$lte": last}}, fields, batch_size=_BATCH))


def _outline(sample: list[dict[str, Any]], each: int) -> Outline:
    dates, changes = (Counter(one[name] for one in sample) for name in _FIELDS)
    lookups: Counter[tuple[str, ...]] = Counter((entry,) for one in sample for entry in one["lookups"])
    lookups.update((lookup("supplier", one["supplierKey"]), lookup("status", one["status"])) for one in sample)
    stops = {
        "invoiceDate": _by_day(dates),
        "updatedAt": _by_time(changes),
    }
    return Outline(float(each), len(sample), stops, {entry: count for entry, count in lookups.items() if count > 1})


def _by_day(dates: Counter[datetime]) -> list[Stop]:
    """A stop for each day. Days with few of the sample are taken to have as many as those around them.

    So are some before the first and behind the last, as far away as the others are apart.
    """
    weights = {day: float(count) for day, count in dates.items() if count >= _SURELY}
    few = sorted(day for day in dates.elements() if dates[day] < _SURELY)
    first, last = min(dates, default=_SOME_DAY), max(dates, default=_SOME_DAY)
    begin = few[0] - _apart(few[:_TOGETHER]) if few else first
    few += [few[-1] + _apart(few[-_TOGETHER:])] if few else []
    for at in range(0, len(few), _TOGETHER):
        some = few[at : at + _TOGETHER]
        length = (some[-1] - begin).days + 1
        between = [begin + _DAY * day for day in range(length)] if length <= _MOST_DAYS else some
        days = [day for day in between if dates[day] < _SURELY] or some
        for day in days:
            weights[day] = weights.get(day, 0) + len(some) / len(days)
        begin = some[-1] + _DAY
    return [Stop(day, weight, weight if first <= day <= last else 0) for day, weight in sorted(weights.items())]


def _apart(some: list[datetime]) -> timedelta:
    return timedelta(days=math.ceil((some[-1] - some[0]).days / len(some)))


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
