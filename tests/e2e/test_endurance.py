"""Files and messages for long: collections, queues and memory are at the end what they were in the middle.

`make test-all` runs a small number. MAILROOM_ENDURANCE=full runs 2,000 files and 20,000 messages, with the fastest
MongoDB of this machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from bench.servers import BenchStack
from local.client import Client
from local.stack import Stack
from mailroom.notifications.outbox.retention import SWEEP_ID
from tests.e2e.conftest import ENVIRONMENT, ROOT
from tests.e2e.test_first_path import MAIL, call
from tests.integration.invoices.files import csv, line
from tests.support.waiting import eventually

FULL = os.environ.get("MAILROOM_ENDURANCE") == "full"
FILES, MESSAGES = (2000, 20_000) if FULL else (80, 600)
INVOICES = 20  # which each file changes
IN_A_BATCH = 100
SECONDS = "0.00003"  # in days: about three
WAIT_SECONDS = 1200
FREE_BYTES = 12 << 20  # by which the memory of a process may differ
WORKERS = ("invoice-importer", "notification-sender", "webhook-sender")
SERVERS = ("supervisor", "mongo", "minio", "inbox")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that keeps messages for seconds."""
    environment = ENVIRONMENT | {"RETENTION_MESSAGES_DAYS": SECONDS, "RETENTION_BODIES_DAYS": SECONDS}
    kind = BenchStack if FULL else Stack
    with kind(ROOT, tmp_path_factory.mktemp("lasting"), environment) as stack:
        for worker in WORKERS:  # each notes its first call, which may else come after the middle
            call(stack, "POST", f"/function/{worker}")
        yield stack


def memory(stack: Stack) -> dict[str, int]:
    """The resident bytes of each process of ours."""
    found = {}
    for name, pid in stack.info["processes"].items():
        if name not in SERVERS:
            status = Path(f"/proc/{pid}/status").read_text()
            found[name] = 1024 * int(status.partition("VmRSS:")[2].split()[0])
    return found


def counts(database: Database[Any]) -> dict[str, int]:
    """The documents of each collection. The ledger keeps each import, so that one comes once: it may grow."""
    names = set(database.list_collection_names()) - {"imports"}
    return {name: database[name].count_documents({}) for name in sorted(names)}


def work(stack: Stack, database: Database[Any], first: int) -> None:
    """A half of the files and messages, until everything is done and every queue is empty."""
    client = Client(stack.info)

    def upload(number: int) -> None:
        rows = (line(f"lasting-{n}", status=f"version {number}") for n in range(INVOICES))
        client.upload(f"lasting/{number}.csv", csv(*rows))

    def send(number: int) -> None:
        messages = [MAIL | {"subject": f"{number} {n}"} for n in range(IN_A_BATCH)]
        assert all("id" in each for each in client.post("notifications/batch", {"messages": messages})["items"])

    with ThreadPoolExecutor(2) as pool:
        numbers = range(first, first + FILES // 2)
        batches = range(MESSAGES // 2 // IN_A_BATCH)
        for future in [*(pool.submit(upload, n) for n in numbers), *(pool.submit(send, n) for n in batches)]:
            future.result()

    def imported() -> bool:
        ended = database["imports"].count_documents({"state": "done"})
        return ended == first + FILES // 2

    eventually(imported, WAIT_SECONDS, "the imports")

    def erased() -> bool:
        database["cursors"].delete_one({"_id": SWEEP_ID})  # else once an hour
        call(stack, "POST", "/function/notification-sender")
        return database["notifications"].count_documents({}) == 0

    eventually(erased, WAIT_SECONDS, "the end of all messages")
    events = stack.data.sub("events")
    eventually(lambda: not [file for file in events.rglob("*") if file.is_file()], WAIT_SECONDS, "MinIO's queue")


def test_all_is_at_the_end_as_in_the_middle(lasting: Stack) -> None:
    with MongoClient[Any](lasting.info["mongoUri"]) as mongo:
        database = mongo["mailroom"]
        seen = []
        for first in (0, FILES // 2):
            work(lasting, database, first)
            seen.append((counts(database), memory(lasting)))
            print(seen[-1])
        (documents, middle), (documents_at_the_end, end) = seen
    assert documents_at_the_end == documents
    assert documents["invoices"] == INVOICES
    assert {name: bytes_ for name, bytes_ in end.items() if bytes_ > middle[name] + FREE_BYTES} == {}
