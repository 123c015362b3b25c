"""The API of invoices: lists with filters and cursors, one invoice, imports, and access."""

from __future__ import annotations

from typing import Any

import pytest

from mailroom.invoices.app import create_app
from tests.integration.invoices.files import Bucket, csv, line
from tests.support.client import Client


@pytest.fixture
def get(bucket: Bucket):
    key = bucket.services.keys.create("test", ["invoices:read", "invoices:write"])
    client = Client(create_app(bucket.services), key.text)

    def get(path: str = "/", method: str = "GET", body: Any = None, **query: str) -> tuple[int, Any]:
        answer = client.call(method, path, body, query)
        return answer.status, answer.json()

    return get


@pytest.fixture
def filled(bucket: Bucket) -> Bucket:
    bucket.import_(
        "may.csv",
        csv(
            line("A1", status="open"),
            line("A2", status="paid"),
            line("A3", status="paid", supplier="Ütility AG"),
            line("A4", status="open").replace("2024-01-31", "2023-06-01").replace("EUR", "USD"),
        ),
    )
    return bucket


def numbers(answer: tuple[int, Any]) -> list[str]:
    status, body = answer
    assert status == 200, body
    return [item["invoiceNumber"] for item in body["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"A1", "A2", "A3", "A4"}),
        ({"supplier": "ütility  ag"}, {"A3"}),
        ({"status": "paid"}, {"A2", "A3"}),
        ({"currency": "USD"}, {"A4"}),
        ({"invoiceNumber": "A2"}, {"A2"}),
        ({"dateFrom": "2024-01-31"}, {"A1", "A2", "A3"}),
        ({"dateTo": "2024-01-30"}, {"A4"}),
        ({"status": "open", "dateTo": "2023-12-31"}, {"A4"}),
        ({"supplier": "Acme GmbH", "status": "open"}, {"A1", "A4"}),
        ({"supplier": "Acme GmbH", "status": "open", "dateFrom": "2024-01-01"}, {"A1"}),
        ({"supplier": "acme  GmbH", "invoiceNumber": "A2"}, {"A2"}),
        ({"supplier": "Ütility AG", "invoiceNumber": "A2"}, set()),
        ({"updatedSince": "2020-01-01T00:00:00Z"}, {"A1", "A2", "A3", "A4"}),
        ({"updatedSince": "2100-01-01T00:00:00Z"}, set()),
    ],
)
def test_each_filter_lists_the_matching_invoices(filled: Bucket, get, query: dict[str, str], expected: set[str]):
    assert set(numbers(get(**query))) == expected


def test_an_import_lists_what_it_created_or_changed(filled: Bucket, get):
    job = filled.import_("june.csv", csv(line("A1", status="open"), line("A2", status="open"), line("A5")))
    assert set(numbers(get(importId=str(job["_id"])))) == {"A2", "A5"}


@pytest.mark.parametrize("sort", ["invoiceDate", "-invoiceDate", "updatedAt", "-updatedAt"])
def test_pages_are_complete_and_in_order(filled: Bucket, get, sort: str):
    seen, cursor = [], None
    while True:
        status, body = get(sort=sort, limit="1", **({"cursor": cursor} if cursor else {}))
        assert status == 200
        seen += body["items"]
        cursor = body["nextCursor"]
        if cursor is None:
            break
    assert {item["invoiceNumber"] for item in seen} == {"A1", "A2", "A3", "A4"}
    values = [(item[sort.lstrip("-")], item["id"]) for item in seen]
    assert values == sorted(values, reverse=sort.startswith("-"))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "eyJ9"}, "cursor"),
        ({"sort": "price"}, "sort"),
        ({"colour": "red"}, "colour"),
        ({"dateFrom": "31.01.2024"}, "dateFrom"),
        ({"updatedSince": "2024-01-31"}, "updatedSince"),
        ({"importId": "1"}, "importId"),
        ({"status": "open", "currency": "EUR"}, "currency"),
        ({"status": "open", "sort": "updatedAt"}, "status"),
        ({"updatedSince": "2020-01-01T00:00:00Z", "sort": "invoiceDate"}, "updatedSince"),
        ({"importId": "a" * 24, "sort": "invoiceDate"}, "importId"),
        ({"importId": "a" * 24, "status": "open"}, "status"),
        ({"updatedSince": "2020-01-01T00:00:00Z", "dateFrom": "2024-01-31"}, "dateFrom"),
        ({"supplier": "Acme GmbH", "currency": "EUR"}, "currency"),
        ({"supplier": "Acme GmbH", "status": "open", "currency": "EUR"}, "currency"),
        ({"invoiceNumber": "A1", "status": "open"}, "status"),
    ],
)
def test_an_unknown_parameter_is_refused_by_name(get, query: dict[str, str], field: str):
    status, problem = get(**query)
    assert status == 422
    assert problem["field"] == field


def test_an_invoice_shows_its_source(filled: Bucket, get):
    _, body = get(invoiceNumber="A3")
    status, invoice = get("/" + body["items"][0]["id"])
    assert status == 200
    assert invoice["grossAmount"] == "119.00"
    assert invoice["invoiceDate"] == "2024-01-31"
    assert invoice["source"]["row"] == 3
    assert get("/" + "0" * 24)[1]["code"] == "invoice.not_found"
    assert get("/nonsense")[0] == 404


def test_imports_are_listed_with_progress(filled: Bucket, get):
    failed = filled.import_("bad.csv", b"")
    status, body = get("/imports")
    assert status == 200
    assert [item["key"] for item in body["items"]] == ["bad.csv", "may.csv"]
    assert body["items"][1]["progress"]["bytesRead"] == body["items"][1]["progress"]["bytesTotal"] > 0
    assert [item["id"] for item in get("/imports", state="failed")[1]["items"]] == [str(failed["_id"])]
    assert len(get("/imports", key="may.csv")[1]["items"]) == 1
    assert get("/imports", rejected="true")[1]["items"] == []
    filled.import_("half.csv", csv(line("B1"), line("B2", gross="x")))
    assert [item["key"] for item in get("/imports", rejected="true")[1]["items"]] == ["half.csv"]
    assert get("/imports", rejected="no")[1]["field"] == "rejected"
    assert get("/imports/" + str(failed["_id"]))[1]["error"]["code"] == "file.empty"
    assert get("/imports", state="lost")[1]["field"] == "state"


def test_an_import_of_an_existing_object_can_be_asked_for(bucket: Bucket, get):
    bucket.put("by-hand.csv", csv(line(1)))
    asked = {"bucket": bucket.name, "key": "by-hand.csv"}

    status, body = get("/imports", "POST", asked)

    assert status == 202
    assert get("/imports", "POST", asked)[1]["id"] == body["id"]
    bucket.run()
    assert bucket.job(body["id"])["state"] == "done"
    forced = get("/imports", "POST", asked | {"force": True})[1]["id"]
    bucket.run()
    assert forced != body["id"]
    assert bucket.job(forced)["checkpoint"]["counts"]["unchanged"] == 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"no json", 400, None),
        ({}, 422, "bucket"),
        ({"bucket": 1, "key": "x"}, 422, "bucket"),
        ({"bucket": "other", "key": "x"}, 422, "bucket"),
        ({"bucket": "invoices", "key": "x", "colour": 1}, 422, "colour"),
    ],
)
def test_a_wrong_request_for_an_import_is_refused_by_name(get, body: Any, status: int, field: str | None):
    answered, problem = get("/imports", "POST", body)
    assert answered == status
    assert problem.get("field") == field


@pytest.mark.parametrize("key", ["nothing.csv", "a//b.csv", "x" * 300, "a/./b.csv", "/"])
def test_an_import_of_a_missing_object_is_refused(bucket: Bucket, get, key: str):
    status, problem = get("/imports", "POST", {"bucket": bucket.name, "key": key})
    assert (status, problem["field"]) == (422, "key")


def test_unknown_paths_are_404_and_unknown_methods_405(get):
    assert get("/imports/1/2")[0] == 404
    assert get("/", "DELETE")[0] == 405
