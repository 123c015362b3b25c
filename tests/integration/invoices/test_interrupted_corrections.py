"""A call that corrects rows is killed at any step, or made twice at once: there is one file, and one answer."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from mailroom.invoices.app import create_app
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.rejected import corrections
from mailroom.platform.objects import ObjectVersion
from mailroom.platform.settings import Settings
from mailroom.services import Services
from tests.integration.invoices.files import Bucket, counts, csv, line
from tests.support.client import Answer, Client

ROWS = {"rows": [{"row": 2, "values": {"grossAmount": "119.00"}}]}
SECONDS = 120


def written(bucket: Bucket) -> list[ObjectVersion]:
    """All versions of files beside the first one."""
    return [each for each in bucket.services.objects.versions(bucket.name) if each.key != "may.csv"]


def call(services: Services, key: str, import_id: str) -> Answer:
    client = Client(create_app(services), key)
    return client.call("POST", f"/imports/{import_id}/corrections", ROWS, headers={"Idempotency-Key": "one"})


def dies(settings: Settings, key: str, import_id: str, place: str) -> None:
    """Makes the call in this process, which kills itself at a place."""
    owner, name, when = {
        "before writing": (corrections, "write_once", "before"),
        "written": (corrections, "write_once", "after"),
        "submitted": (Ledger, "submit", "after"),
    }[place]
    real = getattr(owner, name)

    def killed(*given: Any, **named: Any) -> Any:
        if when == "after":
            real(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killed)
    call(Services(settings), key, import_id)


@pytest.mark.parametrize("place", ["before writing", "written", "submitted"])
def test_a_call_that_is_killed_at_any_step_is_made_again(bucket: Bucket, place: str) -> None:
    services = bucket.services
    job = bucket.import_("may.csv", csv(line(1), line(2, gross="x")))
    key = services.keys.create("test", ["invoices:read", "invoices:write"]).text
    process = get_context("spawn").Process(target=dies, args=(services.settings, key, str(job["_id"]), place))
    process.start()
    process.join(SECONDS)
    assert process.exitcode == -signal.SIGKILL
    before = written(bucket)
    assert len(before) == (0 if place == "before writing" else 1)

    first, again = (call(services, key, str(job["_id"])) for _ in range(2))

    assert (first.status, first.json()) == (201, again.json())
    [version] = written(bucket)
    assert (first.json()["key"], first.json()["versionId"]) == (version.key, version.version_id)
    assert not before or before == [version]
    bucket.compare()
    assert services.database["imports"].count_documents({"key": version.key}) == 1
    assert counts(bucket.job(first.json()["importId"])) == (1, 1, 0, 0, 0, 0)


def test_a_call_made_many_times_at_once_writes_one_file(bucket: Bucket, make_services: Callable[..., Services]) -> None:
    services = bucket.services
    job = bucket.import_("may.csv", csv(line(1), line(2, gross="x")))
    key = services.keys.create("test", ["invoices:read", "invoices:write"]).text
    with ThreadPoolExecutor(4) as threads:  # a replica corrects four imports at once
        answers = list(threads.map(lambda _: call(make_services(), key, str(job["_id"])), range(4)))
    assert [each.status for each in answers] == [201] * 4
    assert len({each.body for each in answers}) == 1
    assert len(written(bucket)) == 1
