"""Pages by key: the queries that list the items after a given one. Without a server."""

from __future__ import annotations

from bson import ObjectId

from mailroom.platform.keyset import Key, Order, Range

ID = ObjectId("65b9d7f0c2a4e81f3b6d9a10")
OPEN = {"status": "open"}


def test_a_first_page_is_one_range_of_the_index() -> None:
    listed = Range(Order("day"), OPEN, {"$gte": 3, "$lte": 9})
    assert listed.queries() == [{"status": "open", "day": {"$gte": 3, "$lte": 9}}]


def test_without_bounds_the_field_is_not_asked_for() -> None:
    assert Range(Order("day"), OPEN).queries() == [OPEN]


def test_a_further_page_is_the_rest_of_the_value_then_the_values_beyond_it() -> None:
    listed = Range(Order("day"), OPEN, {"$gte": 3, "$lte": 9})
    assert listed.queries(Key(5, ID)) == [
        {"status": "open", "day": 5, "_id": {"$gt": ID}},
        {"status": "open", "day": {"$gt": 5, "$lte": 9}},
    ]


def test_downwards_both_ends_are_exchanged() -> None:
    listed = Range(Order("day", descending=True), {}, {"$gte": 3, "$lte": 9})
    assert listed.queries(Key(5, ID)) == [{"day": 5, "_id": {"$lt": ID}}, {"day": {"$gte": 3, "$lt": 5}}]


def test_a_cursor_before_the_bounds_begins_at_the_bounds() -> None:
    listed = Range(Order("day"), {}, {"$gte": 3, "$lte": 9})
    assert listed.queries(Key(1, ID)) == [{"day": {"$gte": 3, "$lte": 9}}]


def test_a_cursor_beyond_the_bounds_lists_nothing() -> None:
    assert Range(Order("day"), {}, {"$lte": 9}).queries(Key(10, ID)) == []
    assert Range(Order("day", descending=True), {}, {"$gte": 3}).queries(Key(2, ID)) == []


def test_conditions_on_the_id_stay_beside_that_of_the_cursor() -> None:
    listed = Range(Order("day"), {"_id": {"$in": [ID]}})
    assert listed.queries(Key(5, ID)) == [
        {"day": 5, "_id": {"$in": [ID], "$gt": ID}},
        {"_id": {"$in": [ID]}, "day": {"$gt": 5}},
    ]


def test_a_cursor_at_a_bound_that_is_exclusive_begins_or_ends_there() -> None:
    between = Range(Order("day"), {}, {"$gt": 3, "$lt": 9})
    assert between.queries(Key(3, ID)) == [{"day": {"$gt": 3, "$lt": 9}}]
    assert between.queries(Key(9, ID)) == []
