"""Every documented list reads one index in its order: the server's plan shows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from bench.api.combinations import served
from bench.secantus import built
from bench.servers import BenchServers
from local.tools import mongod
from mailroom.invoices.api.parameters import invoice_filter
from mailroom.invoices.indexes import INDEXES
from mailroom.invoices.model.document import lookup
from mailroom.invoices.views.lists import Queries
from tests.conftest import ROOT, Addresses
from tests.integration.conftest import CREATED, IMPORT, document

pytestmark = pytest.mark.xdist_group("planner")  # its tests share a process

# Values that nearly all, a few, and one of the invoices of `queries` have.
COMMON = {
    "supplier": "acme gmbh",
    "status": "open",
    "currency": "EUR",
    "invoiceNumber": "all",
    "importId": str(IMPORT),
    "dateFrom": "2024-01-11",
    "dateTo": "2024-01-14",
    "updatedSince": "2024-01-01T00:00:00Z",
}
FEW = COMMON | {"supplier": "Few", "status": "few", "currency": "CHF", "invoiceNumber": "few"}
ONE = COMMON | {"supplier": "One", "status": "one", "currency": "SEK", "invoiceNumber": "one"}

NOT_RUN = ("rejectedPlans", "command")
READS = {
    "find": ("find", "filter", "sort", "limit", "projection", "hint"),
    "aggregate": ("aggregate", "pipeline", "cursor", "hint"),
}
LIMIT = 3


def named(answer: Any, what: str) -> set[str]:
    """The names of all stages (`stage`) or indexes (`indexName`) of the winning plan."""
    if isinstance(answer, list):
        return set().union(*(named(each, what) for each in answer))
    if not isinstance(answer, dict):
        return set()
    here = {answer[what]} if isinstance(answer.get(what), str) else set()
    return here.union(*(named(value, what) for name, value in answer.items() if name not in NOT_RUN))


def indexes_for(query: dict[str, str]) -> set[str]:
    """The index that holds the invoices of the query together, in its order.

    Where nearly all invoices match, the index by date does as well.
    """
    if "invoiceNumber" in query and "supplier" in query:
        return {"_id_"}
    if "importId" in query or "updatedSince" in query or query.get("sort", "").endswith("updatedAt"):
        return {"updatedAt"}
    by_date = {"invoiceDate"} if COMMON.items() >= query.items() - {("sort", query.get("sort"))} else set()
    if "supplier" in query and "status" in query:
        return {"supplierStatus"} | by_date
    one = ("invoiceNumber", "supplier", "status", "currency")
    return {"lookups"} | by_date if any(name in query for name in one) else {"invoiceDate"}


class Reads(CommandListener):
    """Records the commands that read invoices."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command.get(event.command_name) == "invoices" and event.command_name in READS:
            self.sent.append({name: event.command[name] for name in READS[event.command_name] if name in event.command})

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


@pytest.fixture
def reads() -> Reads:
    return Reads()


@pytest.fixture(scope="module")
def planner(addresses: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that plans as MongoDB does. SecantusDB's Rust server does, its Python server does not."""
    if mongod() or os.environ.get("MAILROOM_TEST_SERVERS") == "containers":
        yield addresses.mongo_uri
    elif built().exists():
        with BenchServers(ROOT, tmp_path_factory.mktemp("planner")) as servers:
            yield servers.info["mongoUri"]
    elif os.environ.get("MAILROOM_REQUIRE_PLANNER"):
        pytest.fail("there is no mongod and no SecantusDB in Rust, and MAILROOM_REQUIRE_PLANNER is set")
    else:
        pytest.skip("no mongod on the PATH; `make bench-quick` builds a server that plans as it does")


@pytest.fixture
def queries(planner: str, reads: Reads) -> Iterator[Queries]:
    """Queries of a recorded client, on 80 invoices of eight days."""
    few = {"supplier": "Few", "status": "few", "currency": "CHF"}
    one = {"supplier": "One", "status": "one", "currency": "SEK"}
    invoices = []
    for number in range(80):
        kind, shown = (one, "one") if number == 9 else (few, "few") if number % 20 == 3 else ({}, "all")
        # The first of each kind has its number from the beginning, for its `_id` comes from that.
        invoice = document(shown if number in (1, 3, 9) else str(number), day=f"2024-01-{number % 8 + 10}", **kind)
        entries = [lookup("invoiceNumber", shown), *invoice["lookups"][1:]]
        invoices.append(invoice | {"invoiceNumber": shown, "lookups": entries})
    with MongoClient[Any](planner, tz_aware=True, event_listeners=[reads]) as client:
        database = client["test_indexes"]
        database["invoices"].create_indexes(INDEXES["invoices"])
        database["invoices"].insert_many(invoices)
        database["imports"].insert_one({"_id": IMPORT, "startedAt": CREATED, "finishedAt": CREATED})
        yield Queries(database["invoices"], database["imports"])
        client.drop_database(database)


def shape(value: Any) -> Any:
    """A command without its values. Commands of one shape have the same plan."""
    if isinstance(value, dict):
        return tuple((name, shape(inner)) for name, inner in value.items())
    return [shape(inner) for inner in value if isinstance(inner, dict)] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("values", [COMMON, FEW, ONE], ids=["common", "few", "one"])
def test_every_combination_that_is_served_reads_one_index(queries: Queries, reads: Reads, values: dict[str, str]):
    combinations, explained = 0, set()
    for query in served(values):
        wanted = invoice_filter(query)
        reads.sent.clear()
        first = queries.list_invoices(wanted, LIMIT)
        assert first.items
        if query and "sort" not in query:
            queries.totals(wanted, ("month", "currency"), 100, None, 60)
        combinations += 1
        for command in reads.sent:
            if (looks := str(shape(command))) not in explained:
                explained.add(looks)
                plan = queries.invoices.database.command("explain", command, verbosity="queryPlanner")
                assert "COLLSCAN" not in named(plan, "stage"), (query, command, plan)
                assert "IXSCAN" in named(plan, "stage"), (query, command, plan)
                used = named(plan, "indexName")
                assert len(used) == 1, (query, command, plan)
                assert used <= indexes_for(query), (query, command, plan)
    assert combinations == 95
    assert len(explained) > 30


def test_a_page_from_the_middle_reads_little_more_than_it_shows(queries: Queries, reads: Reads):
    """The server does not sort, and examines at most twice the keys of the page."""
    pages = 0
    for query in served(COMMON):
        wanted = invoice_filter(query)
        if indexes_for(query) == {"_id_"}:  # a supplier has a number once a year: these are few, and sorted
            continue
        items = queries.list_invoices(wanted, 100).items
        assert len(items) > 30
        reads.sent.clear()
        page = queries.list_invoices(wanted, LIMIT, wanted.order.key(items[len(items) // 2]))
        assert len(page.items) == LIMIT
        assert 1 <= len(reads.sent) <= 2
        keys = 0
        for command in reads.sent:
            plan = queries.invoices.database.command("explain", command, verbosity="executionStats")
            assert not named(plan, "stage") & {"COLLSCAN", "SORT"}, (query, command, plan)
            assert named(plan, "indexName") <= indexes_for(query), (query, command, plan)
            keys += plan.get("executionStats", {}).get("totalKeysExamined", 0)
        assert keys <= 2 * (LIMIT + 1), (query, keys)
        pages += 1
    assert pages == 95 - 12
