"""Every list that is documented reads an index and not the collection: the server's own plan says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations
from typing import Any

import pytest

from mailroom.invoices.indexes import INDEXES
from mailroom.invoices.queries import INVOICE_FILTERS, SORTS, Queries
from mailroom.platform.problems import Problem
from mailroom.wiring import Services
from tests.integration.api.conftest import Client, document

VALUES = {
    "supplier": "acme gmbh",
    "status": "open",
    "currency": "EUR",
    "invoiceNumber": "7",
    "importId": "a" * 24,
    "dateFrom": "2024-01-05",
    "dateTo": "2024-01-20",
    "updatedSince": "2024-01-01T00:00:00Z",
}


def served(queries: Queries) -> Iterator[dict[str, str]]:
    """All queries with any filters and any sort that are not refused."""
    for count in range(len(INVOICE_FILTERS) + 1):
        for names in combinations(INVOICE_FILTERS, count):
            for sort in (None, *SORTS):
                query = {name: VALUES[name] for name in names} | ({"sort": sort} if sort else {})
                with suppress(Problem):
                    queries.select(query)
                    yield query


def stages(plan: Any) -> set[str]:
    """The names of all stages in a winning plan."""
    if not isinstance(plan, dict):
        return set()
    inner = [plan.get("inputStage"), plan.get("queryPlan"), *plan.get("inputStages", ())]
    return {plan.get("stage", "")}.union(*map(stages, inner))


@pytest.fixture
def queries(indexed: Services, put) -> Queries:
    put(*(document(str(n), day=f"2024-01-{n % 28 + 1:02}") for n in range(60)))
    return Queries(indexed.database["invoices"], indexed.database["imports"])


def test_every_combination_that_is_served_scans_an_index(queries: Queries):
    seen = 0
    for query in served(queries):
        chosen = queries.select(query)
        if not chosen.filters:
            continue  # the order alone: any server reads the index for it
        order = [(chosen.sort, -1 if chosen.descending else 1), ("_id", -1 if chosen.descending else 1)]
        cursor = queries.invoices.find(chosen.filters).sort(order).limit(101).hint(chosen.index)
        plan = cursor.explain()["queryPlanner"]["winningPlan"]
        found = stages(plan)
        assert "IXSCAN" in found, (query, plan)
        assert "COLLSCAN" not in found, (query, plan)
        seen += 1
    assert seen > 100


def test_a_page_further_on_scans_an_index(queries: Queries, client: Client, monkeypatch: pytest.MonkeyPatch):
    plans: list[Any] = []
    find = type(queries.invoices).find

    def explained(self: Any, *arguments: Any, **named: Any) -> Any:
        cursor = find(self, *arguments, **named)
        plans.append(cursor)
        return cursor

    monkeypatch.setattr(type(queries.invoices), "find", explained)
    for query in ({}, {"status": "open"}, {"dateTo": "2024-01-20"}, {"updatedSince": VALUES["updatedSince"]}):
        for sort in SORTS:
            if sort.endswith("updatedAt") != ("updatedSince" in query):
                continue
            cursor = client.get(limit="2", sort=sort, **query).json()["nextCursor"]
            plans.clear()
            assert len(client.get(limit="2", sort=sort, cursor=cursor, **query).json()["items"]) == 2
            [last] = [each for each in plans if each.collection.name == "invoices"]
            found = stages(last.clone().explain()["queryPlanner"]["winningPlan"])
            assert "IXSCAN" in found, (query, sort)
            assert "COLLSCAN" not in found, (query, sort)


@pytest.mark.parametrize(
    "query", [{}, {"key": "k"}, {"state": "done"}, {"key": "k", "versionId": "v"}, {"bucket": "b"}]
)
def test_lists_of_imports_have_an_index_for_their_order(query: dict[str, str]):
    leading = next((name for name in ("key", "state") if name in query), None)
    keys = [[name for name, _ in model.document["key"].items()] for model in INDEXES["imports"]]
    assert [*([leading] if leading else []), "createdAt", "_id"] in keys


def test_at_most_five_indexes():
    assert len(INDEXES["invoices"]) <= 4  # and that of _id
