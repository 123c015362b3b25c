"""Pages of many invoices: complete, in order, each invoice once, wherever the invoices lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from mailroom.invoices.views.learnt import Learnt
from mailroom.invoices.views.lists import Queries
from mailroom.invoices.views.outline import Outline
from mailroom.services import Services
from tests.integration.api.conftest import CREATED, IMPORT, document
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


class Told(Learnt, kw_only=True):
    """Believes what it was told, and keeps the pages that it is to learn from."""

    told: tuple[float, float]
    pages: list[list[str]] = msgspec.field(default_factory=list)

    def estimate(self, *_: object) -> tuple[float, float]:
        return self.told

    def learn(self, outline: Outline, entries: tuple[str, ...], page: Sequence[Mapping[str, Any]]) -> None:
        self.pages.append([str(each["_id"]) for each in page])


@pytest.mark.parametrize("told", [(1e-9, 1.0), (1e-9, 1e9), (1.0, 1.0), (1.0, 1e9)])
def test_so_it_is_whatever_is_thought_to_lie_there(
    stored: Documents, indexed: Services, told: tuple[float, float]
) -> None:
    own, learnt = Queries.of(indexed.database), Told(told=told)
    queries = Queries(own.invoices, own.imports, own.outlines, learnt)
    for query, values in FILTERED[1:]:
        wanted, seen, cursor = ids(having(stored, values), "-invoiceDate"), [], ""
        while cursor is not None:
            page, cursor = queries.list_invoices({"limit": "12"} | query | ({"cursor": cursor} if cursor else {}))
            seen += [str(each["_id"]) for each in page]
            assert learnt.pages[-1][:12] == seen[-len(page) :]
        assert seen == wanted, query


def test_so_it_is_in_the_order_of_change(stored: Documents, client: Client) -> None:
    since = f"{CREATED + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
    changed = [each for each in stored if each["updatedAt"] > CREATED]
    for sort in ("updatedAt", "-updatedAt"):
        assert pages(client, sort=sort) == ids(stored, sort)
        assert pages(client, sort=sort, importId=str(IMPORT)) == ids(stored, sort)
        assert pages(client, sort=sort, updatedSince=since) == ids(changed, sort)
        assert pages(client, sort=sort, updatedSince=since, importId=str(IMPORT)) == ids(changed, sort)
        assert pages(client, sort=sort, importId="b" * 24) == pages(client, importId="b" * 24, updatedSince=since) == []


def test_a_number_that_a_supplier_uses_each_year_has_pages(client: Client, put: Callable[..., list[str]]) -> None:
    of_years = [document("7", day=f"{year}-03-01") for year in range(1900, 1940)]
    put(*of_years, document("8"), document("7", supplier="Another"))
    asked = {"supplier": "ACME GmbH", "invoiceNumber": "7"}
    for sort in ("invoiceDate", "-invoiceDate"):
        assert pages(client, sort=sort, **asked) == ids(of_years, sort)
    within = [each for each in of_years if each["invoiceDate"].year in (1901, 1902)]
    assert pages(client, dateFrom="1901-03-01", dateTo="1902-12-31", **asked) == ids(within, "-invoiceDate")


def test_dates_in_the_wrong_order_are_no_invoice(stored: Documents, client: Client) -> None:
    of_two = [{"supplier": "Large", "status": "paid"}, {"supplier": "Large", "invoiceNumber": "1"}]
    for query in ({}, {"status": "paid"}, {"currency": "CHF"}, *of_two):
        assert pages(client, dateFrom="2024-06-01", dateTo="2024-05-01", **query) == []


def test_what_comes_in_between_moves_no_other(stored: Documents, client: Client, put: Callable[..., list[str]]) -> None:
    added: list[str] = []

    def add() -> None:
        number = f"new {len(added)}"
        added.extend(put(document(number, day="2024-05-31", supplier="Large", currency="CHF")))

    for query in ({}, {"supplier": "Large"}, {"currency": "CHF"}):
        before, there = pages(client, **query), len(added)
        seen = pages(client, add, **query)
        assert len(added) > there
        assert [id_ for id_ in seen if id_ not in added[there:]] == before
