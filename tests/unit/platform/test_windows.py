"""Windows: whatever is thought to lie where, they cover the way once, in order, and come to an end."""

from __future__ import annotations

import math
import operator
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from mailroom.platform.windows import Course, Stop, read

HOLDS = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}
VALUES = st.integers(0, 12)
IDS = st.integers(0, 2**96 - 1).map(lambda number: ObjectId(f"{number:024x}"))
Documents = list[dict[str, Any]]


class Found:
    """A cursor on documents in memory that counts what a server without limits would read."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents

    def __enter__(self) -> Found:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def limit(self, count: int) -> Found:
        return Found(self.documents[:count])

    def to_list(self) -> Documents:
        return self.documents

    def __iter__(self) -> Any:
        return iter(self.documents)


class Server:
    def __init__(self, documents: Documents, *, descending: bool) -> None:
        self.documents = sorted(documents, key=key, reverse=descending)
        self.read: list[int] = []

    def ordered(self, ranges: list[dict[str, Any]]) -> Any:
        for conditions in ranges:
            if isinstance(within := conditions.get("value"), dict):
                assert within.keys() <= {"$gte", "$lte"}, "some servers read what a bound leaves out, if it is equal"
        met = [sum(meets(each, conditions) for conditions in ranges) for each in self.documents]
        assert max(met, default=0) <= 1, "ranges overlap"
        found = [each for each, times in zip(self.documents, met, strict=True) if times]
        self.read.append(len(found))
        return Found(found)


def key(document: dict[str, Any]) -> tuple[int, ObjectId]:
    return document["value"], document["_id"]


def meets(document: dict[str, Any], conditions: dict[str, Any]) -> bool:
    return all(holds(document[name], what) for name, what in conditions.items())


def holds(value: Any, condition: Any) -> bool:
    if isinstance(condition, dict):
        return all(HOLDS[name](value, bound) for name, bound in condition.items())
    return bool(value == condition)


@st.composite
def documents(draw: st.DrawFn) -> Documents:
    keys = draw(st.sets(st.tuples(VALUES, IDS), max_size=40))
    return [{"value": value, "_id": id_} for value, id_ in keys]


@st.composite
def bounds(draw: st.DrawFn) -> dict[str, int]:
    low, high = draw(st.sampled_from([None, "$gt", "$gte"])), draw(st.sampled_from([None, "$lt", "$lte"]))
    return {name: draw(VALUES) for name in (low, high) if name}


@st.composite
def outlines(draw: st.DrawFn) -> list[Stop]:
    """Right, wrong or empty: any values with any weights."""
    weights = draw(st.dictionaries(VALUES, st.tuples(st.floats(0.5, 50), st.floats(0, 1))))
    return [Stop(value, weight, weight * part) for value, (weight, part) in sorted(weights.items())]


@given(
    documents(), outlines(), bounds(), st.none() | st.tuples(VALUES, IDS), st.booleans(),
    st.integers(1, 50), st.sampled_from([0.0, 0.01, 1.0, 30.0]), st.sampled_from([0.5, 100.0]),
    st.booleans(), st.sampled_from([1, 2, math.inf]),
)  # fmt: skip
def test_every_document_is_read_once_in_order(
    stored: Documents, stops: list[Stop], within: dict[str, int], after: tuple[int, ObjectId] | None,
    descending: bool, wanted: int, expected: float, trust: float, all_: bool, at_once: float,
) -> None:  # fmt: skip
    server = Server(stored, descending=descending)
    course = Course("value", descending=descending, bounds=within, step=1, stops=stops, after=after, at_once=at_once)

    found = list(read(server.ordered, course, expected, wanted, trust=trust, all_=all_))

    behind = operator.lt if descending else operator.gt
    right = [
        each
        for each in server.documents
        if holds(each["value"], within) and (after is None or behind(key(each), after))
    ]
    assert found == (right if all_ else right[:wanted])


def outline_of(stored: Documents, each: int) -> list[Stop]:
    """One document in `each`, as a sample would have it: those with the lowest ids."""
    counts: dict[int, int] = {}
    for document in sorted(stored, key=lambda document: document["_id"])[: len(stored) // each]:
        counts[document["value"]] = counts.get(document["value"], 0) + 1
    return [Stop(value, count, count) for value, count in sorted(counts.items())]


def uniform(values: int, count: int) -> Documents:
    step = 2**96 // count
    return [{"value": number * 7919 % values, "_id": ObjectId(f"{number * step:024x}")} for number in range(count)]


def test_a_page_reads_little_more_than_it_shows_wherever_it_lies() -> None:
    for values in (1, 3, 100, 5000):  # from all on one day to a day for each
        stored = uniform(values, 20_000)
        for after in (None, key(sorted(stored, key=key)[10_000])):
            server = Server(stored, descending=True)
            stops = outline_of(stored, 50)
            course = Course("value", descending=True, bounds={}, step=1, stops=stops, after=after)
            assert len(list(read(server.ordered, course, 50.0, 101))) == 101
            assert sum(server.read) < 250, values
            assert len(server.read) == 1, values


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("part", "first"), [(0.1, "end"), (0.9, "begin")])
def test_of_two_bounds_within_a_value_that_comes_first_which_leaves_less(descending: bool, part: float, first: str):
    """Some servers cut by the first alone."""
    id_ = ObjectId(f"{int(2**96 * (1 - part if descending else part)):024x}")
    course = Course("value", descending=descending, bounds={}, step=1, stops=[Stop(7, 1000, 1000)], after=(7, id_))
    [part_of_value] = course.take(20)
    names = ("$lt", "$gte") if descending else ("$gt", "$lte")
    assert list(part_of_value.conditions["_id"]) == list(names if first == "begin" else reversed(names))


def test_one_window_has_the_rest_of_a_value_the_next_ones_and_a_part_of_a_heavy_one():
    stops = [Stop(1, 10, 10), Stop(2, 10, 10), Stop(3, 1000, 1000)]
    course = Course("value", descending=False, bounds={}, step=1, stops=stops, after=(1, ObjectId("8" + "0" * 23)))
    rest, whole, part = course.take(100)
    assert rest.conditions == {"value": 1, "_id": {"$gt": ObjectId("8" + "0" * 23)}}
    assert whole.conditions == {"value": {"$gte": 2, "$lte": 2}}
    assert part.conditions.keys() == {"value", "_id"}
    assert part.conditions["value"] == 3
    assert rest.weight + whole.weight + part.weight == pytest.approx(100)


def test_days_with_none_among_days_with_many_are_passed_quickly():
    """As weekends are, where the sample cannot tell them from other days."""
    stored = [each | {"value": each["value"] // 5 * 7 + each["value"] % 5} for each in uniform(10, 2000)]
    stops = [Stop(day, 1, 1) for day in range(14)]
    monday = sorted((each for each in stored if each["value"] == 7), key=key)
    for document in monday[:20]:
        server = Server(stored, descending=True)
        course = Course("value", descending=True, bounds={}, step=1, stops=stops, after=key(document))
        assert len(list(read(server.ordered, course, 143.0, 21, trust=4000))) == 21
        assert len(server.read) <= 4


def test_few_documents_among_many_are_found_in_few_windows() -> None:
    stored = uniform(1000, 20_000)
    for document in stored:
        document["rare"] = int(str(document["_id"]), 16) % 1000 == 0
    server = Server([each for each in stored if each["rare"]], descending=False)
    course = Course("value", descending=False, bounds={}, step=1, stops=outline_of(stored, 50))
    assert list(read(server.ordered, course, 50.0, 101)) == server.documents
    assert len(server.read) <= 8
