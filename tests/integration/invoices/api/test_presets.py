"""Presets by the API: each change is a version, and what is wrong with one is said with its field."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.client import Answer, Client

ACME = {
    "prefix": "acme/",
    "columns": {"Rech. Nr.": "invoiceNumber", "$ total": "grossAmount", "Invoice ID": None},
    "constants": {"currency": "GBP", "vatRate": "19 %"},
    "statuses": ["paid", "open"],
    "amountTolerance": "0.05",
    "lineItems": "addUp",
}


def put(client: Client, name: str, body: Any) -> Answer:
    return client.call("PUT", f"/presets/{name}", body)


def test_what_was_put_can_be_read_and_put_again(client: Client) -> None:
    made = put(client, "acme", ACME)

    assert made.status == 201
    read = client.get("/presets/acme").json()
    assert read == made.json()
    assert (read["name"], read["version"], read["keyId"]) == ("acme", 1, client.key_id)
    assert read["preset"] == ACME | {"statuses": ["open", "paid"]}
    again = put(client, "acme", read["preset"])
    assert (again.status, again.json()["version"]) == (200, 1)


def test_each_change_is_a_version_and_old_ones_stay(client: Client) -> None:
    put(client, "acme", ACME)
    put(client, "acme", ACME | {"encoding": "cp1252"})
    assert client.call("DELETE", "/presets/acme").json() == {"deleted": "acme", "version": 2}

    assert client.get("/presets/acme").status == 404
    assert client.get("/presets/acme", version="3").status == 404
    assert "encoding" not in client.get("/presets/acme", version="1").json()["preset"]
    listed = client.get("/presets/acme/versions").json()["items"]
    assert [(each["version"], each["deleted"]) for each in listed] == [(3, True), (2, False), (1, False)]
    assert put(client, "acme", ACME).json()["version"] == 4
    assert client.call("DELETE", "/presets/other").json()["code"] == "preset.not_found"


def test_lists_are_in_pages_without_those_that_were_deleted(client: Client) -> None:
    for name in ("c", "a", "d", "b"):
        put(client, name, {"prefix": f"{name}/"})
    client.call("DELETE", "/presets/b")

    first = client.get("/presets", limit="2").json()
    rest = client.get("/presets", limit="2", cursor=first["nextCursor"]).json()

    assert [(each["name"], each["prefix"]) for each in first["items"]] == [("a", "a/"), ("c", "c/")]
    assert [each["name"] for each in rest["items"]] == ["d"]
    assert rest["nextCursor"] is None


def test_changes_at_once_get_consecutive_versions(client: Client) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda day: put(client, "acme", {"yearPivot": day}), range(8)))

    assert sorted(each.json()["version"] for each in answers) == list(range(1, 9))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"dateOrder": "ymd"}, "dateOrder"),
        ({"yearPivot": 101}, "yearPivot"),
        ({"encoding": "klingon"}, "encoding"),
        ({"encoding": "utf-8\0"}, "encoding"),
        ({"amountTolerance": "-1"}, "amountTolerance"),
        ({"amountTolerance": "NaN"}, "amountTolerance"),
        ({"prefix": "/acme"}, "prefix"),
        ({"prefix": "a\0"}, "prefix"),
        ({"columns": {"Total": "total"}}, "columns"),
        ({"columns": {"": None}}, "columns"),
        ({"columns": {"A\0": None}}, "columns"),
        ({"columns": {"Invoice ID": "invoiceNumber", "invoice_id": None}}, "columns"),
        ({"constants": {"currency": "XYZ"}}, "constants.currency"),
        ({"constants": {"vatRate": "190"}}, "constants.vatRate"),
        ({"constants": {"invoiceDate": "32.1.2024"}}, "constants.invoiceDate"),
        ({"constants": {"grossAmount": "much"}}, "constants.grossAmount"),
        ({"constants": {"supplierName": "A\u0001"}}, "constants.supplierName"),
        ({"constants": {"supplierName": " "}}, "constants.supplierName"),
        ({"constants": {"invoiceNumber": "1"}}, "constants"),
        ({"invoiceAmounts": ["total"]}, "invoiceAmounts"),
        ({"statuses": ["a\u202e"]}, "statuses"),
        ({"lineItems": "sum"}, "lineItems"),
        ({"sheet": "x" * 32}, "sheet"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(client: Client, body: Any, field: str) -> None:
    answer = put(client, "acme", body)

    assert (answer.status, answer.json()["field"]) == (422, field), answer.json()
    assert client.get("/presets/acme").status == 404


@pytest.mark.parametrize("name", ["Acme", "-acme", "a" * 65, "ac me"])
def test_a_name_that_no_metadata_can_hold_is_refused(client: Client, name: str) -> None:
    assert put(client, name, {}).json()["code"] == "preset.name"


def test_no_two_presets_are_for_one_folder(client: Client) -> None:
    put(client, "acme", ACME)

    taken = put(client, "other", {"prefix": "acme/"})

    assert (taken.status, taken.json()["code"], taken.json()["field"]) == (409, "preset.prefix", "prefix")
    assert put(client, "other", {}).status == put(client, "third", {}).status == 201
    client.call("DELETE", "/presets/acme")
    assert put(client, "other", {"prefix": "acme/"}).status == 200
