"""Totals: sums of one currency each, for every filter that a list serves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from mailroom.invoices.app import LONG_CALLS_AT_ONCE
from mailroom.invoices.views import lists as queries
from mailroom.invoices.views.lists import Queries
from mailroom.invoices.views.outline import Outlines
from mailroom.services import Services
from tests.integration.api.conftest import CREATED, IMPORT, document
from tests.integration.api.test_outline import Clock
from tests.support.client import Client


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


# A third is of one day, and suppliers are written in two ways.
MANY = [
    document(
        str(number),
        day=str(date(2024, 1, 20) + timedelta(days=number % 40 if number % 3 else 0)),
        gross=f"{number * (-1) ** number}.37",
        supplier=f"Supplier {number % 7}" if number % 2 else f"SUPPLIER {number % 7}",
        currency=("EUR", "USD")[number % 11 == 0],
        status=("open", "paid", "")[number % 5 % 3],
    )
    for number in range(1, 241)
]


# Filters, and which of MANY meet them.
FILTERS: dict[str, tuple[dict[str, str], Callable[[dict[str, Any]], bool]]] = {
    "none": ({}, lambda _: True),
    "dates": ({"dateFrom": "2024-02-01", "dateTo": "2024-02-29"}, lambda each: each["invoiceDate"].month == 2),
    "from": ({"dateFrom": "2024-02-01"}, lambda each: each["invoiceDate"].month == 2),
    "supplier": ({"supplier": "supplier 3"}, lambda each: each["supplierKey"] == "supplier 3"),
    "common": ({"currency": "EUR"}, lambda each: each["currency"] == "EUR"),
    "common, dates": (
        {"status": "open", "dateTo": "2024-01-31"},
        lambda each: (each["status"], each["invoiceDate"].month) == ("open", 1),
    ),
    "status of supplier": (
        {"supplier": "SUPPLIER 3", "status": "open"},
        lambda each: (each["supplierKey"], each["status"]) == ("supplier 3", "open"),
    ),
    "number": ({"invoiceNumber": "7"}, lambda each: each["invoiceNumber"] == "7"),
    "number of supplier": ({"supplier": "supplier 0", "invoiceNumber": "7"}, lambda each: each["invoiceNumber"] == "7"),
    "import": ({"importId": str(IMPORT)}, lambda _: True),
    "changes": ({"updatedSince": "2020-01-01T00:00:00Z"}, lambda _: True),
}


def expected(names: tuple[str, ...], meets: Callable[[dict[str, Any]], bool]) -> list[tuple[Any, ...]]:
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for each in filter(meets, MANY):
        key = each | {"month": f"{each['invoiceDate']:%Y-%m}", "supplier": each["supplierKey"]}
        groups[(*(key[name] for name in names), each["currency"])].append(key)
    return [
        (
            *(max(each["supplierName"] for each in group) if name == "supplier" else group[0][name] for name in names),
            group[0]["currency"],
            len(group),
            str(sum(each["grossAmount"].to_decimal() for each in group)),
        )
        for _, group in sorted(groups.items())
    ]


@pytest.fixture
def many(put: Callable[..., list[str]], client: Client, indexed: Services, monkeypatch: pytest.MonkeyPatch) -> Client:
    put(*MANY)
    indexed.database["imports"].insert_one({"_id": IMPORT, "startedAt": CREATED, "finishedAt": CREATED})
    monkeypatch.setattr(queries, "READ_AT_ONCE", 20)
    return client


def all_totals(client: Client, by: str, limit: str, filters: dict[str, str]) -> list[tuple[Any, ...]]:
    seen: list[tuple[Any, ...]] = []
    query = {"by": by, "limit": limit} | filters
    names = [*(name for name in by.split(",") if name != "currency"), "currency"]
    while True:
        page = client.get("/totals", **query).json()
        assert len(page["items"]) <= int(limit)
        seen += [(*(item[name] for name in names), item["count"], item["grossAmount"]) for item in page["items"]]
        if page["nextCursor"] is None:
            return seen
        query["cursor"] = page["nextCursor"]


@pytest.mark.parametrize("limit", ["2", "100"])
@pytest.mark.parametrize("by", ["currency", "month", "supplier", "status,month", "supplier,month,status"])
def test_the_totals_of_many_are_added_up_from_parts(many: Client, indexed: Services, by: str, limit: str):
    reads = Queries.of(indexed.database)
    assert len(list(reads._parts(reads.select({})))) > 5
    names = tuple(name for name in by.split(",") if name != "currency")
    assert all_totals(many, by, limit, {}) == expected(names, lambda _: True)


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_is_summed_in_parts(many: Client, name: str):
    filters, meets = FILTERS[name]
    assert all_totals(many, "status,month", "2", filters) == expected(("status", "month"), meets)


def test_what_was_imported_since_the_last_call_is_summed_in_parts(
    put: Callable[..., list[str]], indexed: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queries, "READ_AT_ONCE", 20)
    outlines = Outlines(indexed.database["invoices"], clock := Clock())
    reads = replace(Queries.of(indexed.database), outlines=outlines)
    assert reads.list_invoices({}) == ([], None)  # an outline of nothing
    put(*MANY)
    clock.now = 61
    assert len(list(reads._parts(reads.select({})))) > 5


def test_the_others_are_counted_where_they_are_left_out_one_by_one(
    put: Callable[..., list[str]], indexed: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queries, "READ_AT_ONCE", 20)
    days = [f"2024-{month:02}-{day:02}" for month in range(1, 6) for day in range(1, 21)]
    put(
        *(document(f"{day} {n}", day=day, status="paid" if day < "2024-04" else "open") for day in days for n in (1, 2))
    )
    reads = Queries.of(indexed.database)
    parts = [
        {name: value for name, value in part.items() if name != "$and"}  # what is left out
        for part in reads._parts(reads.select({"status": "paid"}))
    ]
    read = [indexed.database["invoices"].count_documents(part) for part in parts]
    assert sum(read) == 200
    assert max(read) <= 30


def test_totals_that_take_too_long_say_what_to_do(many: Client, make_client: Callable[..., Client]):
    slow = make_client(export_seconds=0.0)
    refused = slow.get("/totals")
    assert (refused.status, refused.json()["code"]) == (422, "totals.too_many")
    assert "dateFrom" in refused.json()["detail"]
    assert slow.get("/totals", dateTo="2024-01-19").status == 200


def test_long_totals_leave_threads_for_others(many: Client):
    readers = [many.stream("/export") for _ in range(LONG_CALLS_AT_ONCE)]
    refused = many.get("/totals")
    assert (refused.status, refused.json()["code"]) == (503, "stream.busy")
    assert many.get("/totals", dateTo="2024-01-19").status == 200
    readers.pop().close()
    assert [many.get("/totals").status for _ in range(3)] == [200, 200, 200]


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
