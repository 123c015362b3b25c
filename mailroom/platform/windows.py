"""Reads a collection in the order of a field and `_id`, window by window.

A window is a few ranges, one behind the other: what is left of a value, the values behind it, and a part of the next,
asked for at once where the server can; elsewhere one of them. It should hold what is asked for. A server that stops at
a limit needs no far bound and loses nothing by it; one that collects and sorts all that matches before it looks at the
limit reads a window instead of the collection. Windows follow one another without a gap and without an overlap, so what
is read does not depend on how well they were cut: a bad cut costs time.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from bson import ObjectId
from pymongo.cursor import Cursor

from mailroom.platform.mongo import Document

# A window is asked to hold somewhat more than is wanted: one that is a little short costs another call.
_SPARE = 20
_GROWTH = 16.0
_AFTER_NOTHING = 4.0  # what brought nothing is followed by so many times as much: there may be nothing for long

# A value with more than so many times what a window should still hold is read in several, cut by `_id`.
_HEAVY = 1.5

# A window that has this part of what it should hold is not worth another range.
_ENOUGH = 0.9

# So much a value is taken to have of which no stop tells.
_UNKNOWN = 1.0

_IDS = 1 << 96
_NEARLY_ALL = 1.5  # what is left of a value is read at once if it is no more than so many times what was asked for
_MOST_SLICES = 10_000  # of one value; with more, the next bound might not lie behind the last one


Item = TypeVar("Item", bound=Mapping[str, Any])


class Stop(msgspec.Struct, frozen=True):
    """A value of the field, and how many documents have about this value or the ones before it, in any unit.

    `own` of them are taken to have this very value.
    """

    value: Any
    weight: float
    own: float


class Range(msgspec.Struct, frozen=True):
    """Conditions on the field and on `_id`, and the weight of what lies between them."""

    conditions: Document
    weight: float


class Course:
    """The way along `field` between `bounds` (operators of a query), from behind `after` if that is given, to the end.

    Between two values of the field is at least a `step`, so that what a window ends with can belong to it: not every
    server leaves out what is equal to a bound before it has read it, and that may be much. `stops` are in the order of
    the field, whole steps apart from all values, and `_id` is taken to be a hash. `at_once` is how many ranges a window
    may have.
    """

    def __init__(
        self,
        field: str,
        *,
        descending: bool,
        bounds: Document,
        step: Any,
        stops: Sequence[Stop] = (),
        after: tuple[Any, ObjectId] | None = None,
        at_once: float = math.inf,
    ) -> None:
        self._field, self._descending, self._step, self._at_once = field, descending, step, at_once
        low, high = _ends(bounds, step)
        self._near, self._far = (high, low) if descending else (low, high)
        self._value: Any = None  # the value that is being read, behind `_id`
        self._id: ObjectId | None = None
        self._within = 0.0  # the weight of that value
        self.done = False
        begin = 0 if low is None else bisect_left(stops, low, key=_value)
        end = len(stops) if high is None else bisect_right(stops, high, key=_value)
        if after and (self._near is None or not self._is_behind(self._near, after[0])):
            self._value, self._id = after
            first, behind = bisect_left(stops, after[0], key=_value), bisect_right(stops, after[0], key=_value)
            self._within = sum(stop.own for stop in stops[first:behind]) or _UNKNOWN
            begin, end = (begin, min(end, first)) if descending else (max(begin, behind), end)
            self.done = self._far is not None and self._is_behind(after[0], self._far)
        self._stops = stops
        self._ahead = range(end - 1, begin - 1, -1) if descending else range(begin, end)

    def take(self, weight: float) -> list[Range]:
        """The next window, of about that weight."""
        ranges = [self._next(weight)]
        missing = weight - ranges[0].weight
        while not self.done and len(ranges) < self._at_once and missing >= (1 - _ENOUGH) * weight:
            ranges.append(self._next(missing))
            missing -= ranges[-1].weight
        return ranges

    def _next(self, weight: float) -> Range:
        """A range of about that weight: more where one value has more, less where a heavy one begins."""
        if self._value is not None:
            return self._slice(weight)
        taken, last = 0.0, None
        for passed, place in enumerate(self._ahead):
            stop = self._stops[place]
            heavy = stop.own > _HEAVY * weight
            if last and (heavy or taken + stop.weight > weight):
                self._ahead = self._ahead[passed:]
                return self._up_to(last, taken)
            if heavy:
                self._ahead = self._ahead[1:]
                return self._enter(stop, weight)
            last = stop
            taken += stop.weight
        self.done = True
        return Range(self._on_field(self._near, self._far), taken)

    def _up_to(self, last: Stop, taken: float) -> Range:
        values = self._on_field(self._near, last.value)
        self._pass(last.value)
        return Range(values, taken)

    def _enter(self, stop: Stop, weight: float) -> Range:
        """What there may be before a heavy value, which comes next."""
        self._value, self._id, self._within = stop.value, None, stop.own
        if self._near == stop.value:
            return self._slice(weight)  # there is nothing before it
        before = stop.value + self._step if self._descending else stop.value - self._step
        return Range(self._on_field(self._near, before), stop.weight - stop.own)

    def _slice(self, weight: float) -> Range:
        """What is left of one value, or a part of that."""
        begin = 0.0 if self._id is None else int(str(self._id), 16) / _IDS
        if self._id is not None and self._descending:
            begin = 1 - begin
        left = (1 - begin) * self._within
        weight = max(weight, left / _MOST_SLICES)
        beyond, until = ("$lt", "$gte") if self._descending else ("$gt", "$lte")
        behind: Document = {} if self._id is None else {beyond: self._id}
        if left > _NEARLY_ALL * weight:
            part = begin + weight / self._within
            self._id = _id_at(1 - part if self._descending else part)
            # Not every server cuts an index over an array on both sides: then it does where the first of them is.
            bound: Document = {until: self._id}
            behind = bound | behind if part < 1 - begin else behind | bound
            return Range({self._field: self._value, "_id": behind}, weight)
        rest = {self._field: self._value} | ({"_id": behind} if behind else {})
        self._pass(self._value)
        self._value, self._id = None, None
        return Range(rest, left)

    def _pass(self, value: Any) -> None:
        """All that comes now lies behind that value."""
        try:
            self._near = value - self._step if self._descending else value + self._step
        except OverflowError:  # the first or the last of all values
            self.done = True
        else:
            self.done = self._far is not None and self._is_behind(self._near, self._far)

    def _is_behind(self, value: Any, other: Any) -> bool:
        return bool(value < other if self._descending else value > other)

    def _on_field(self, near: Any, far: Any) -> Document:
        low, high = (far, near) if self._descending else (near, far)
        condition = ({} if low is None else {"$gte": low}) | ({} if high is None else {"$lte": high})
        return {self._field: condition} if condition else {}


def read(
    ordered: Callable[[list[Document]], Cursor[Item]],
    course: Course,
    expected: float,
    wanted: int,
    *,
    trust: float = 1.0,
    all_: bool = False,
) -> Generator[Item]:
    """The documents of a course. `ordered` finds what meets the conditions of any range of a window, in order.

    The windows are to hold the `wanted` documents, or with `all_` so many each, where `expected` is how many of them a
    weight of 1 should bring. That counts as much as `trust` of them that were found. Blocks for an answer at each
    window.
    """
    seen, weighed, least = 0, 0.0, 0.0
    while not course.done and (all_ or seen < wanted):
        missing, seen_before = wanted if all_ else wanted - seen, seen
        weight = max(least, _weight(missing, expected, trust, seen, weighed))
        window = course.take(weight)
        weighed += sum(range_.weight for range_ in window)
        with ordered([range_.conditions for range_ in window]) as found:
            # A page in one go: to ask the cursor for each takes a tenth of the time.
            for document in found if all_ else found.limit(missing).to_list():
                seen += 1
                yield document
        least = 0.0 if seen > seen_before else _AFTER_NOTHING * weight


def weight_between(stops: Sequence[Stop], first: Any, last: Any) -> float:
    """What lies from somewhere at the first value to somewhere at the last: half of each of them. 0 for one value."""
    among = stops[bisect_left(stops, first, key=_value) : bisect_right(stops, last, key=_value)]
    if len(among) < 2:
        return 0.0
    return sum(stop.weight for stop in among) - (among[0].weight + among[-1].weight) / 2


def _weight(missing: int, expected: float, trust: float, seen: int, weighed: float) -> float:
    """What should hold the missing documents, as far as is known after `weighed` brought `seen` of them."""
    if not expected:
        return math.inf
    needed = missing + 2 * math.sqrt(missing) + _SPARE
    likely = needed * (weighed + trust / expected) / (seen + trust)
    return min(likely, _GROWTH * max(weighed, needed / expected))


def _ends(bounds: Document, step: Any) -> tuple[Any, Any]:
    """The lowest and the highest value within the bounds; None where there is no bound."""
    lowest = [bounds[name] + away for name, away in (("$gte", step * 0), ("$gt", step)) if name in bounds]
    highest = [bounds[name] - away for name, away in (("$lte", step * 0), ("$lt", step)) if name in bounds]
    return max(lowest, default=None), min(highest, default=None)


_value = attrgetter("value")


def _id_at(part: float) -> ObjectId:
    return ObjectId(f"{min(_IDS - 1, max(0, int(part * _IDS))):024x}")
