"""Pages of many invoices: complete, in order, each invoice once, wherever the invoices lie."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from bench.api.combinations import served
from mailroom.services import Services
from tests.integration.conftest import CREATED, IMPORT, document
from tests.support.client import Client

Documents = list[dict[str, Any]]


@pytest.fixture
def stored(put: Callable[..., list[str]], indexed: Services) -> Documents:
    """150 invoices: most on one day, some long before and after, of a large supplier and of small ones."""
    documents = []
    for number in range(150):
        day = "2024-05-31" if number % 5 else f"{2015 + number % 11}-{number % 12 + 1:02}-{number % 28 + 1:02}"
        invoice = document(
            str(number),
            day=day,
            supplier="Large" if number % 3 else f"Small {number % 30}",
            status="disputed" if number % 40 == 7 else "paid",
            currency="CHF" if number % 10 == 4 else "EUR",
        )
        documents.append(invoice | {"updatedAt": CREATED + timedelta(seconds=number // 60)})
    put(*documents)
    indexed.database["imports"].insert_one({"_id": IMPORT, "startedAt": CREATED})
    return documents


def ids(documents: Documents, sort: str) -> list[str]:
    name = sort.lstrip("-")
    ordered = sorted(documents, key=lambda each: (each[name], each["_id"]), reverse=sort.startswith("-"))
    return [str(each["_id"]) for each in ordered]


def pages(client: Client, between: Callable[[], object] = lambda: None, **query: str) -> list[str]:
    seen: list[str] = []
    while True:
        answer = client.get(limit="12", **query)
        assert answer.status == 200, answer.body
        page = answer.json()
        seen += [item["id"] for item in page["items"]]
        if page["nextCursor"] is None:
            return seen
        assert len(page["items"]) == 12
        query["cursor"] = page["nextCursor"]
        between()


FILTERED = [
    ({}, {}),
    ({"supplier": "LARGE"}, {"supplierKey": "large"}),
    ({"supplier": "Small 3"}, {"supplierKey": "small 3"}),
    ({"status": "paid"}, {"status": "paid"}),
    ({"status": "disputed"}, {"status": "disputed"}),
    ({"currency": "CHF"}, {"currency": "CHF"}),
    ({"invoiceNumber": "17"}, {"invoiceNumber": "17"}),
    ({"supplier": "Large", "status": "disputed"}, {"supplierKey": "large", "status": "disputed"}),
    ({"supplier": "Large", "status": "paid"}, {"supplierKey": "large", "status": "paid"}),
]


def having(documents: Documents, values: dict[str, str]) -> Documents:
    return [each for each in documents if all(each[name] == value for name, value in values.items())]


def test_every_invoice_is_on_one_page(stored: Documents, client: Client) -> None:
    for query, values in FILTERED:
        wanted = having(stored, values)
        assert wanted, query
        within = [each for each in wanted if "2016-03-01" <= f"{each['invoiceDate']:%Y-%m-%d}" <= "2024-05-31"]
        dates = {"dateFrom": "2016-03-01", "dateTo": "2024-05-31"}
        for sort in ("invoiceDate", "-invoiceDate"):
            assert pages(client, sort=sort, **query) == ids(wanted, sort), query
            assert pages(client, sort=sort, **query, **dates) == ids(within, sort), query


VALUES = {
    "invoiceNumber": "17",
    "supplier": "LARGE",
    "status": "paid",
    "currency": "EUR",
    "dateFrom": "2018-06-01",
    "dateTo": "2024-05-31",
    "importId": str(IMPORT),
    "updatedSince": f"{CREATED + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}",
}
MEETS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "invoiceNumber": lambda each: each["invoiceNumber"] == "17",
    "supplier": lambda each: each["supplierKey"] == "large",
    "status": lambda each: each["status"] == "paid",
    "currency": lambda each: each["currency"] == "EUR",
    "dateFrom": lambda each: f"{each['invoiceDate']:%Y-%m-%d}" >= "2018-06-01",
    "dateTo": lambda each: f"{each['invoiceDate']:%Y-%m-%d}" <= "2024-05-31",
    "importId": lambda each: each["changedBy"] == IMPORT,
    "updatedSince": lambda each: each["updatedAt"] > CREATED,
}


def test_every_combination_lists_the_invoices_that_match_all_filters(stored: Documents, client: Client) -> None:
    combinations = 0
    for query in served(VALUES):
        wanted = [each for each in stored if all(MEETS[name](each) for name in query if name != "sort")]
        assert wanted, query
        changed = "importId" in query or "updatedSince" in query
        expected = ids(wanted, query.get("sort", "updatedAt" if changed else "-invoiceDate"))
        half = str(max(1, len(expected) // 2))
        first = client.get(limit=half, **query).json()
        assert [item["id"] for item in first["items"]] == expected[: int(half)], query
        if first["nextCursor"]:
            others = client.get(limit="200", cursor=first["nextCursor"], **query).json()
            assert [item["id"] for item in others["items"]] == expected[int(half) :], query
            assert others["nextCursor"] is None
        combinations += 1
    assert combinations == 95


def test_every_invoice_is_on_one_page_in_the_order_of_change(stored: Documents, client: Client) -> None:
    since = f"{CREATED + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
    changed = [each for each in stored if each["updatedAt"] > CREATED]
    for sort in ("updatedAt", "-updatedAt"):
        assert pages(client, sort=sort) == ids(stored, sort)
        assert pages(client, sort=sort, importId=str(IMPORT)) == ids(stored, sort)
        assert pages(client, sort=sort, updatedSince=since) == ids(changed, sort)
        assert pages(client, sort=sort, updatedSince=since, importId=str(IMPORT)) == ids(changed, sort)
        assert pages(client, sort=sort, importId="b" * 24) == pages(client, importId="b" * 24, updatedSince=since) == []


def test_the_filter_by_import_finds_changes_from_its_start_to_its_end(
    stored: Documents, client: Client, indexed: Services
) -> None:
    first = [each for each in stored if each["updatedAt"] == CREATED]
    second = [each for each in stored if CREATED <= each["updatedAt"] <= CREATED + timedelta(seconds=1)]
    for ends, changed in (
        ({"finishedAt": CREATED}, first),
        ({"finishedAt": CREATED, "quietAt": CREATED + timedelta(seconds=1)}, second),
    ):
        indexed.database["imports"].update_one({"_id": IMPORT}, {"$set": ends})
        for sort in ("updatedAt", "-updatedAt"):
            assert pages(client, sort=sort, importId=str(IMPORT)) == ids(changed, sort)
    indexed.database["imports"].update_one({"_id": IMPORT}, {"$unset": {"startedAt": ""}})
    assert pages(client, importId=str(IMPORT)) == []


def test_an_import_does_not_list_what_another_changed_meanwhile(
    stored: Documents, client: Client, put: Callable[..., list[str]]
) -> None:
    put(*(document(f"other {number}") | {"changedBy": ObjectId("b" * 24)} for number in range(20)))
    assert pages(client, importId=str(IMPORT)) == ids(stored, "updatedAt")


def test_a_number_that_a_supplier_uses_each_year_has_pages(client: Client, put: Callable[..., list[str]]) -> None:
    of_years = [document("7", day=f"{year}-03-01") for year in range(1900, 1940)]
    put(*of_years, document("8"), document("7", supplier="Another"))
    asked = {"supplier": "ACME GmbH", "invoiceNumber": "7"}
    for sort in ("invoiceDate", "-invoiceDate"):
        assert pages(client, sort=sort, **asked) == ids(of_years, sort)
    within = [each for each in of_years if each["invoiceDate"].year in (1901, 1902)]
    assert pages(client, dateFrom="1901-03-01", dateTo="1902-12-31", **asked) == ids(within, "-invoiceDate")


def test_dates_in_the_wrong_order_find_no_invoice(stored: Documents, client: Client) -> None:
    of_two = [{"supplier": "Large", "status": "paid"}, {"supplier": "Large", "invoiceNumber": "1"}]
    for query in ({}, {"status": "paid"}, {"currency": "CHF"}, *of_two):
        assert pages(client, dateFrom="2024-06-01", dateTo="2024-05-01", **query) == []


def test_an_invoice_inserted_between_two_pages_moves_no_other(
    stored: Documents, client: Client, put: Callable[..., list[str]]
) -> None:
    added: list[str] = []

    def add() -> None:
        number = f"new {len(added)}"
        added.extend(put(document(number, day="2024-05-31", supplier="Large", currency="CHF")))

    for query in ({}, {"supplier": "Large"}, {"currency": "CHF"}):
        before, there = pages(client, **query), len(added)
        seen = pages(client, add, **query)
        assert len(added) > there
        assert [id_ for id_ in seen if id_ not in added[there:]] == before
