"""The listener: files are imported at once, and nothing is lost or doubled, whatever is killed."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import threading
from collections import Counter
from typing import Any

import pytest
import urllib3
from pymongo import MongoClient

from local.client import Client, NotReadyError
from local.stack import LISTENER, Stack
from tests.e2e.test_first_path import call, done
from tests.integration.invoices.files import csv, line
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("stack")  # one stack for all of them

UPLOADS = 200
KILLS_AN_UPLOAD = 0.2
KILLED = (LISTENER, LISTENER, "minio", "invoice-events", "invoice-importer")


def state(stack: Stack) -> dict[str, Any]:
    """What the listener says of itself."""
    found: dict[str, Any] = urllib3.request("GET", f"http://127.0.0.1:{stack.ports[LISTENER]}/").json()
    return found


def ready(stack: Stack) -> bool:
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{stack.ports[LISTENER]}/_/ready", retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def imports_of(stack: Stack, keys: str) -> list[dict[str, Any]]:
    with MongoClient[dict[str, Any]](stack.info["mongoUri"]) as mongo:
        return list(mongo["mailroom"]["imports"].find({"key": {"$regex": keys}}))


def test_an_upload_is_handed_on_at_once_and_is_one_import(stack: Stack, client: Client):
    eventually(lambda: ready(stack), what="the listener")
    before = state(stack)["handedOn"]
    name = secrets.token_hex(4)
    key = f"{name}/größe 1+1 %20.csv"  # the stream has the key as it is, the webhook has it escaped
    client.upload(key, csv(line(name)))
    eventually(lambda: done(client, key), what="the import")
    eventually(lambda: state(stack)["handedOn"] > before, what="the hand-over")
    client.upload(f"{name}/2.csv", csv(line(f"{name}-2")))
    eventually(lambda: done(client, f"{name}/2.csv"), what="the import")  # MinIO's queue has sent the first event too
    assert [(each["key"], each["state"]) for each in imports_of(stack, f"^{name}/gr")] == [(key, "done")]


def test_without_the_listener_files_are_imported_all_the_same(stack: Stack, client: Client):
    stack.stop(LISTENER)
    try:
        name = secrets.token_hex(4)
        client.upload(f"{name}.csv", csv(line(name)))
        eventually(lambda: done(client, f"{name}.csv"), what="the import")
    finally:
        stack.start(LISTENER)


def test_it_is_not_ready_while_minio_is_down_and_listens_again_afterwards(stack: Stack, client: Client):
    eventually(lambda: ready(stack), what="the listener")
    stack.stop("minio")
    try:
        eventually(lambda: not ready(stack), what="the end of the stream")
        assert state(stack)["listening"] is False
    finally:
        stack.start("minio")
    eventually(lambda: ready(stack), what="a new stream")
    before = state(stack)["handedOn"]
    client.upload(f"{secrets.token_hex(4)}.csv", csv(line(secrets.token_hex(4))))
    eventually(lambda: state(stack)["handedOn"] > before, what="the hand-over")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_200_uploads_under_random_kills_are_each_imported_once(stack: Stack, client: Client):
    seed = int(os.environ.get("MAILROOM_SEED", random.SystemRandom().randrange(10**6)))
    print(f"MAILROOM_SEED={seed}")
    chance, name = random.Random(seed), secrets.token_hex(4)
    killed: Counter[str] = Counter()

    def kill(victim: str) -> None:
        with contextlib.suppress(ProcessLookupError, KeyError):  # it has not started again yet
            os.kill(stack.info["processes"][victim], signal.SIGKILL)
            killed[victim] += 1

    def accepted(number: int) -> bool:
        try:
            client.upload(f"{name}-{number}.csv", csv(line(f"{name}-{number}")))
        except NotReadyError:
            return False
        return True

    timers = []
    for number in range(UPLOADS):
        if chance.random() < KILLS_AN_UPLOAD:
            timers.append(threading.Timer(chance.uniform(0, 0.2), kill, [chance.choice(KILLED)]))
            timers[-1].start()
        eventually(lambda number=number: accepted(number), what="an answer of MinIO")
    for timer in timers:
        timer.join()
    stack.wait_ready()
    print(f"killed: {dict(killed)}")

    def missing() -> set[int]:
        with contextlib.suppress(NotReadyError, urllib3.exceptions.HTTPError):
            call(stack, "POST", "/function/invoice-importer")  # as the schedule does every minute
        ended = {each["key"] for each in imports_of(stack, f"^{name}-") if each["state"] == "done"}
        return {number for number in range(UPLOADS) if f"{name}-{number}.csv" not in ended}

    eventually(lambda: not missing(), 300, "the imports of all files")
    versions = Counter((each["key"], each["versionId"]) for each in imports_of(stack, f"^{name}-"))
    assert max(versions.values()) == 1
    with MongoClient[dict[str, Any]](stack.info["mongoUri"]) as mongo:
        found = mongo["mailroom"]["invoices"].find({"invoiceNumber": {"$regex": f"^{name}-"}})
        numbers = [each["invoiceNumber"] for each in found]
    assert sorted(numbers) == sorted(f"{name}-{number}" for number in range(UPLOADS))
    assert killed[LISTENER] > 0
    assert killed["minio"] > 0
