"""Cursors: what was given out comes back, and whatever else is given is refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import ObjectId
from hypothesis import example, given
from hypothesis import strategies as st

from mailroom.errors import Invalid
from mailroom.invoices.api.parameters import last_group, totals_cursor
from mailroom.platform.keyset import NEWEST_FIRST, Key
from mailroom.web import paging
from mailroom.web.paging import after_name, before_version

# The words of extended JSON, with any values.
WORDS = st.sampled_from(
    [
        *("$binary", "$type", "$oid", "$date", "$numberLong", "$numberInt", "$numberDouble", "$numberDecimal"),
        *("$regex", "$options", "$regularExpression", "$code", "$scope", "$timestamp", "$minKey", "$maxKey", "$uuid"),
        *("$undefined", "$symbol", "$ref", "$id", "$db", "$dbPointer", "base64", "subType", "pattern", "t", "i", "x"),
    ]
)
TEXTS = st.one_of(
    st.text(st.characters(), max_size=5),
    st.sampled_from(
        ["createdAt", "month", "\ud800", "0" * 24, "9" * 40, "-1", "NaN", "1e9", "0001-01-01T00:00:00+23:59", "AA=="]
    ),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(WORDS, TEXTS), inner, max_size=3)),
    max_leaves=8,
)
OID = {"$oid": "0" * 24}
DATE = {"$date": {"$numberLong": "0"}}


def cursor(value: Any) -> dict[str, str]:
    text = json.dumps(value).encode()
    return {"cursor": base64.urlsafe_b64encode(text).decode().rstrip("=")}


@example({"$binary": 5, "$type": 1})
@example({"$date": {"$numberLong": "9" * 30}})
@example({"$numberDecimal": 1})
@example({"$code": "x"})
@example("\ud800")
@example("0001-01-01T00:00:00+23:59")
@given(VALUES)
def test_a_forged_cursor_is_refused_or_can_be_asked_for(value: Any) -> None:
    readers = (
        lambda query: paging.key_of(query, NEWEST_FIRST),
        lambda query: last_group(query, ["month", "currency"]),
        after_name,
        before_version,
    )
    for parts in (
        value,
        [value],
        ["createdAt", value, OID],
        ["createdAt", DATE, value],
        ["month", "currency", value, "EUR"],
    ):
        for read in readers:
            try:
                found = read(cursor(parts))
            except Invalid as refusal:
                assert (refusal.code, refusal.field) == ("cursor.invalid", "cursor")  # noqa: PT017
            else:
                plain = [found.value, found.id] if isinstance(found, Key) else found
                assert bson.decode(bson.encode({"in": plain}))["in"] is not None


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_refused_or_a_cursor(text: str) -> None:
    try:
        paging.key_of({"cursor": text}, NEWEST_FIRST)
    except Invalid as refusal:
        assert refusal.code == "cursor.invalid"  # noqa: PT017


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(9999, 12, 31)).map(  # noqa: DTZ001
        lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000, tzinfo=UTC)
    ),
    st.binary(min_size=12, max_size=12).map(ObjectId),
)
def test_what_was_given_out_comes_back(time: datetime, id_: ObjectId) -> None:
    given_out = paging.cursor_of(NEWEST_FIRST, Key(time, id_))
    assert paging.key_of({"cursor": given_out or ""}, NEWEST_FIRST) == Key(time, id_)


@pytest.mark.parametrize("last", [["2024-01", "EUR"], ["M\u00fcller \U0001f600", ""]])
def test_a_group_comes_back(last: list[str]) -> None:
    given_out = totals_cursor(["month", "currency"], last)
    assert last_group({"cursor": given_out or ""}, ["month", "currency"]) == last
