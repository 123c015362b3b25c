"""Every list that is documented reads an index and not the collection: the server's own plan says so."""

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
from mailroom.invoices.indexes import INDEXES
from mailroom.invoices.model.document import lookup
from mailroom.invoices.views.lists import Queries
from mailroom.platform.clock import Budget
from mailroom.platform.concurrency import ConcurrencyLimit
from tests.conftest import ROOT, Addresses
from tests.integration.api.conftest import CREATED, IMPORT, document

# Among the invoices of `queries`: what nearly all have, what a few have, and what one has.
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
READS = {"find": ("find", "filter", "sort", "limit", "projection"), "aggregate": ("aggregate", "pipeline", "cursor")}


def named(answer: Any, what: str) -> set[str]:
    """The names of all stages (`stage`) or indexes (`indexName`) of the winning plan, wherever `explain` has it."""
    if isinstance(answer, list):
        return set().union(*(named(each, what) for each in answer))
    if not isinstance(answer, dict):
        return set()
    here = {answer[what]} if isinstance(answer.get(what), str) else set()
    return here.union(*(named(value, what) for name, value in answer.items() if name not in NOT_RUN))


def indexes_for(query: dict[str, str]) -> set[str]:
    """Those of which one has the invoices of the query together, and in its order."""
    if "invoiceNumber" in query and "supplier" in query:
        return {"_id_"}
    if "supplier" in query and "status" in query:
        return {"supplierStatus"}
    by_change = "importId" in query or "updatedSince" in query or query.get("sort", "").endswith("updatedAt")
    return {"updatedAt"} if by_change else {"lookups", "invoiceDate"}


class Reads(CommandListener):
    """The commands that read invoices, as they are sent."""

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
    """Where a server plans as MongoDB does. SecantusDB's Python server does not, its Rust server does."""
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
    """Over a client that is listened to, on 80 invoices of eight days."""
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
        yield Queries.of(database)
        client.drop_database(database)


def shape(value: Any) -> Any:
    """A command without its values: those of one shape are planned alike, with the same invoices."""
    if isinstance(value, dict):
        return tuple((name, shape(inner)) for name, inner in value.items())
    return [shape(inner) for inner in value if isinstance(inner, dict)] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("values", [COMMON, FEW, ONE], ids=["common", "few", "one"])
def test_every_combination_that_is_served_scans_an_index(queries: Queries, reads: Reads, values: dict[str, str]):
    combinations, explained = 0, set()
    for query in served(queries, values):
        reads.sent.clear()
        shown, cursor = queries.list_invoices(query | {"limit": "3"})
        if cursor is not None:
            queries.list_invoices(query | {"limit": "3", "cursor": cursor})
        if query and "sort" not in query and values is not COMMON:  # to sum nearly all, all is read
            queries.totals(query | {"by": "month"}, Budget(60), ConcurrencyLimit(1))
        assert shown
        assert reads.sent
        combinations += 1
        for command in reads.sent:
            if (looks := str(shape(command))) in explained:
                continue
            explained.add(looks)
            plan = queries.invoices.database.command("explain", command, verbosity="queryPlanner")
            assert "COLLSCAN" not in named(plan, "stage"), (query, command, plan)
            assert "IXSCAN" in named(plan, "stage"), (query, command, plan)
            used = named(plan, "indexName")
            assert len(used) == 1, (query, command, plan)
            outline = "projection" in command
            assert used <= ({"_id_", "invoiceDate"} if outline else indexes_for(query)), (query, command, plan)
    assert combinations == 95
    assert len(explained) > 30


@pytest.mark.parametrize(
    "query", [{}, {"key": "k"}, {"state": "done"}, {"key": "k", "versionId": "v"}, {"bucket": "b"}]
)
def test_lists_of_imports_have_an_index_for_their_order(query: dict[str, str]):
    leading = next((name for name in ("key", "state") if name in query), None)
    keys = [[name for name, _ in model.document["key"].items()] for model in INDEXES["imports"]]
    assert [*([leading] if leading else []), "createdAt", "_id"] in keys


def test_at_most_five_indexes():
    assert len(INDEXES["invoices"]) <= 4  # and that of _id
