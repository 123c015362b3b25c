"""Totals: sums of one currency each, for every filter that a list serves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.errors import NetworkTimeout, ServerSelectionTimeoutError

from mailroom.invoices.app import LONG_CALLS_AT_ONCE
from mailroom.services import Services
from tests.integration.conftest import CREATED, IMPORT, document
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


def test_totals_group_by_several_dimensions_within_a_filter(filled: Client):
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


# Filters, and the invoices of MANY that match.
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
def many(put: Callable[..., list[str]], client: Client, indexed: Services) -> Client:
    put(*MANY)
    indexed.database["imports"].insert_one({"_id": IMPORT, "startedAt": CREATED, "finishedAt": CREATED})
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
def test_the_totals_of_many_are_right_and_on_one_page_each(many: Client, by: str, limit: str):
    names = tuple(name for name in by.split(",") if name != "currency")
    assert all_totals(many, by, limit, {}) == expected(names, lambda _: True)


@pytest.mark.parametrize("name", FILTERS)
def test_totals_work_with_every_filter(many: Client, name: str):
    filters, meets = FILTERS[name]
    assert all_totals(many, "status,month", "2", filters) == expected(("status", "month"), meets)


def test_totals_that_take_too_long_say_what_to_do(many: Client, make_client: Callable[..., Client]):
    refused = make_client(export_seconds=0.002).get("/totals")
    assert (refused.status, refused.json()["code"]) == (422, "totals.too_many")
    assert "dateFrom" in refused.json()["detail"]
    assert many.get("/totals").status == 200


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NetworkTimeout("timed out"), 422, "totals.too_many"),
        (ServerSelectionTimeoutError("no server"), 503, "service.unavailable"),
    ],
)
def test_a_lost_server_is_no_reason_to_ask_for_less(
    filled: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
):
    def aggregate(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Collection, "aggregate", aggregate)
    answer = filled.get("/totals")
    assert (answer.status, answer.json()["code"]) == (status, code)


def test_totals_leave_threads_for_others(filled: Client):
    readers = [filled.stream("/export") for _ in range(LONG_CALLS_AT_ONCE)]
    refused = filled.get("/totals")
    assert (refused.status, refused.json()["code"]) == (503, "stream.busy")
    assert refused.headers["Retry-After"] == "10"
    assert filled.get("/").status == 200
    readers.pop().close()
    assert [filled.get("/totals").status for _ in range(3)] == [200, 200, 200]
    assert filled.get("/totals", by="colour").status == 422


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
def test_an_unknown_dimension_or_parameter_is_refused_by_name(client: Client, query: dict[str, str], field: str):
    answer = client.get("/totals", **query)
    assert (answer.status, answer.json()["field"]) == (422, field)


def test_a_cursor_of_another_grouping_is_refused(filled: Client):
    cursor = filled.get("/totals", by="month", limit="1").json()["nextCursor"]
    assert filled.get("/totals", by="supplier", cursor=cursor).status == 422
    assert filled.get("/", cursor=cursor).status == 422
