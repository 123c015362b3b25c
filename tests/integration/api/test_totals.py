"""Totals: sums of one currency each, for every filter that a list serves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api.conftest import Client, document


@pytest.fixture
def filled(put, client: Client) -> Client:
    put(
        document("1", gross="100.10"),
        document("2", gross="-0.10", supplier="ACME  gmbh", status="paid"),
        document("3", gross="7.00", currency="USD", day="2024-02-29"),
        document("4", gross="1000000000000.01", supplier="Ütility AG", day="2024-02-01"),
    )
    return client


def sums(client: Client, **query: str) -> list[tuple[Any, ...]]:
    answer = client.get("/totals", **query)
    assert answer.status == 200, answer.body
    names = [name for name in ("supplier", "month", "status") if name in query.get("by", "")]
    return [
        (*(item[name] for name in names), item["currency"], item["count"], item["grossAmount"])
        for item in answer.json()["items"]
    ]


def test_currencies_are_never_added_up(filled: Client):
    by_currency = [("EUR", 3, "1000000000100.01"), ("USD", 1, "7.00")]
    assert sums(filled) == sums(filled, by="currency") == by_currency
    assert sums(filled, by="month") == [
        ("2024-01", "EUR", 2, "100.00"),
        ("2024-02", "EUR", 1, "1000000000000.01"),
        ("2024-02", "USD", 1, "7.00"),
    ]


def test_one_supplier_in_two_spellings_is_one(filled: Client):
    assert sums(filled, by="supplier", currency="EUR") == [
        ("Acme GmbH", "EUR", 2, "100.00"),
        ("Ütility AG", "EUR", 1, "1000000000000.01"),
    ]


def test_several_dimensions_and_a_filter(filled: Client):
    assert sums(filled, by="status,month", dateTo="2024-01-31") == [
        ("2024-01", "open", "EUR", 1, "100.10"),
        ("2024-01", "paid", "EUR", 1, "-0.10"),
    ]
    assert sums(filled, by="month", supplier="nobody") == []


def test_net_and_vat_are_summed_too(filled: Client):
    [euro, _] = filled.get("/totals").json()["items"]
    assert (euro["netAmount"], euro["vatAmount"]) == ("1000000000043.01", "57.00")


@pytest.mark.parametrize("by", ["supplier", "month,status", "currency"])
def test_pages_are_complete_and_in_order(filled: Client, by: str):
    whole = filled.get("/totals", by=by).json()["items"]
    seen: list[Any] = []
    query = {"by": by, "limit": "1"}
    while True:
        page = filled.get("/totals", **query).json()
        seen += page["items"]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
    assert seen == whole


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"by": "colour"}, "by"),
        ({"by": ""}, "by"),
        ({"by": "month,month"}, "by"),
        ({"by": "$month"}, "by"),
        ({"cursor": "x"}, "cursor"),
        ({"limit": "0"}, "limit"),
        ({"status": "open", "currency": "EUR"}, "currency"),
        ({"sort": "invoiceDate"}, "sort"),
    ],
)
def test_what_is_not_served_is_refused_by_name(client: Client, query: dict[str, str], field: str):
    answer = client.get("/totals", **query)
    assert (answer.status, answer.json()["field"]) == (422, field)


def test_a_cursor_of_another_grouping_is_refused(filled: Client):
    cursor = filled.get("/totals", by="month", limit="1").json()["nextCursor"]
    assert filled.get("/totals", by="supplier", cursor=cursor).status == 422
    assert filled.get("/", cursor=cursor).status == 422
