"""Reads a collection in the order of a field and `_id`, window by window.

A window is bounded on both sides and should hold what is asked for. A server that stops at a limit needs no far bound
and loses nothing by it; one that collects and sorts all that matches before it looks at the limit reads a window
instead of the collection. Windows follow one another without a gap and without an overlap, so what is read does not
depend on how well they were cut: a bad cut costs time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.cursor import Cursor

from mailroom.platform.mongo import Document

# A window is asked to hold somewhat more than is wanted: one that is a little short costs another call.
_SPARE = 20
_GROWTH = 16.0

# A value with more than so many times what a window should hold is read in several, cut by `_id`.
_HEAVY = 4.0

_IDS = 1 << 96
_NEARLY_ALL = 1.5  # what is left of a value is read at once if it is no more than so many times what was asked for
_MOST_SLICES = 10_000  # of one value; with more, the next bound might not lie behind the last one


Found = Cursor[Document]


@dataclass(frozen=True)
class Stop:
    """A value of the field, and how many documents have about this value or the ones before it, in any unit."""

    value: Any
    weight: float


@dataclass(frozen=True)
class Window:
    """Conditions on the field and on `_id`, and the weight of what lies between them."""

    conditions: Document
    weight: float


class Course:
    """The way along `field` between `bounds` (operators of a query), from behind `after` if that is given, to the end.

    `stops` are in the order of the field. `sliced` says that an index serves ranges of `_id` within one value, cut on
    both sides; `_id` is taken to be a hash then. Otherwise a value is read whole.
    """

    def __init__(
        self,
        field: str,
        *,
        descending: bool,
        bounds: Document,
        stops: Sequence[Stop] = (),
        after: tuple[Any, ObjectId] | None = None,
        sliced: bool = False,
    ) -> None:
        self._field, self._descending, self._sliced = field, descending, sliced
        rising = {"$gt", "$gte"}
        near = {"$lt", "$lte"} if descending else rising
        self._beyond, self._until, self._before = ("$lt", "$gte", "$gt") if descending else ("$gt", "$lte", "$lt")
        self._edge: Document = {name: value for name, value in bounds.items() if name in near}
        self._end: Document = {name: value for name, value in bounds.items() if name not in near}
        self._value: Any = None  # the value that is being read, behind `_id`
        self._id: ObjectId | None = None
        self.done = False
        if after and admits(self._edge, after[0]):
            self._value, self._id = after
            self._edge = {self._beyond: after[0]}
            self.done = not admits(self._end, after[0])
        ahead = [stop for stop in stops if admits(self._edge, stop.value) and admits(self._end, stop.value)]
        self._stops = deque(reversed(ahead) if descending else ahead)
        self._within = next((stop.weight for stop in stops if stop.value == self._value), 0.0)

    def take(self, weight: float) -> Window:
        """The next window, of about that weight: more where one value has more, less where a heavy one begins."""
        if self._value is not None:
            return self._slice(weight)
        taken, last = 0.0, None
        while self._stops and (last is None or taken + self._stops[0].weight <= weight):
            if self._sliced and self._stops[0].weight > _HEAVY * weight:
                return self._up_to(last, taken) if last else self._enter(weight)
            last = self._stops.popleft()
            taken += last.weight
        if self._stops and last:
            return self._up_to(last, taken)
        self.done = True
        return Window(self._on_field({**self._edge, **self._end}), taken)

    def _up_to(self, last: Stop, taken: float) -> Window:
        window = Window(self._on_field({**self._edge, self._until: last.value}), taken)
        self._edge = {self._beyond: last.value}
        self.done = last.value in self._end.values()
        return window

    def _enter(self, weight: float) -> Window:
        """What there may be before a heavy value, which comes next."""
        stop = self._stops.popleft()
        self._value, self._id, self._within = stop.value, None, stop.weight
        before, self._edge = self._edge, {self._beyond: stop.value}
        if stop.value in before.values():
            return self._slice(weight)  # there is nothing before it
        return Window(self._on_field({**before, self._before: stop.value}), 0.0)

    def _slice(self, weight: float) -> Window:
        """What is left of one value, or a part of that."""
        begin = 0.0 if self._id is None else int(str(self._id), 16) / _IDS
        if self._id is not None and self._descending:
            begin = 1 - begin
        left = (1 - begin) * self._within
        weight = max(weight, left / _MOST_SLICES)
        behind: Document = {} if self._id is None else {self._beyond: self._id}
        if self._sliced and left > _NEARLY_ALL * weight:
            part = begin + weight / self._within
            self._id = _id_at(1 - part if self._descending else part)
            behind[self._until] = self._id
            return Window({self._field: self._value, "_id": behind}, weight)
        window = Window({self._field: self._value} | ({"_id": behind} if behind else {}), left)
        self.done = self._value in self._end.values()
        self._value, self._id = None, None
        return window

    def _on_field(self, condition: Document) -> Document:
        return {self._field: condition} if condition else {}


def admits(condition: Document, value: Any) -> bool:
    """Whether the value is within the bounds."""
    return all(_HOLDS[operator](value, bound) for operator, bound in condition.items())


def read(
    ordered: Callable[[Document], Found], course: Course, expected: float, wanted: int, *, all_: bool = False
) -> Generator[Document]:
    """The documents of a course. `ordered` finds what meets the conditions of a window, in order.

    The windows are to hold the `wanted` documents, or with `all_` so many each, where `expected` is how many of them a
    weight of 1 should bring. Blocks for an answer at each window.
    """
    seen, weighed = 0, 0.0
    while not course.done and (all_ or seen < wanted):
        missing = wanted if all_ else wanted - seen
        window = course.take(_weight(missing, expected, seen, weighed))
        weighed += window.weight
        with ordered(window.conditions) as found:
            for document in found if all_ else found.limit(missing):
                seen += 1
                yield document


def _weight(missing: int, expected: float, seen: int, weighed: float) -> float:
    """What should hold the missing documents, as far as is known after `weighed` brought `seen` of them."""
    if not expected:
        return math.inf
    likely = (missing + 2 * math.sqrt(missing) + _SPARE) * (weighed + 1 / expected) / (seen + 1)
    return min(likely, _GROWTH * weighed) if weighed else likely


_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda value, bound: value > bound,
    "$gte": lambda value, bound: value >= bound,
    "$lt": lambda value, bound: value < bound,
    "$lte": lambda value, bound: value <= bound,
}


def _id_at(part: float) -> ObjectId:
    return ObjectId(f"{min(_IDS - 1, max(0, int(part * _IDS))):024x}")
