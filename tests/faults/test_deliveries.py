"""Events come often, late, in another order or not at all; objects change while they are imported."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import Any

import pytest

from mailroom.invoices.model.merge import CONTENT
from tests.faults.child import Fault
from tests.faults.world import KEY, World
from tests.integration.invoices.files import Bucket, counts, csv, line
from tests.integration.invoices.test_events import event

VERSIONS = [
    csv(*(line(n, status=f"{version}") for n in range(version, 12)), line("bad", gross="x")) for version in range(3)
]


def _content(bucket: Bucket) -> list[dict[str, Any]]:
    """The content that does not depend on the order: all but who inserted an invoice."""
    return [
        {name: each.get(name) for name in ("_id", "order", *CONTENT)} | {"import": each["source"]["importId"]}
        for each in bucket.invoices()
    ]


def _forget(bucket: Bucket) -> None:
    for name in ("invoices", "imports", "rejects"):
        bucket.services.database[name].delete_many({})


def test_32_deliveries_while_importers_run_have_one_effect(make_world: Callable[..., World]):
    world = make_world(60)
    body = event(world.bucket, KEY, world.version.version_id)
    world.again()
    world.bucket.services.database["imports"].delete_many({"key": KEY})

    with ThreadPoolExecutor(32) as pool:
        answers = [pool.submit(world.bucket.webhook, body) for _ in range(32)]
        importers = [world.start() for _ in range(3)]
        assert {answer.result()["statusCode"] for answer in answers} == {200}
    for importer in importers:
        assert importer.wait() == 0
    world.start().wait()

    assert world.bucket.services.database["imports"].count_documents({"key": KEY}) == 1
    world.check()


def test_permuted_and_replayed_events_end_in_one_state(bucket: Bucket):
    bodies = [event(bucket, "may.csv", bucket.put("may.csv", body)) for body in VERSIONS]
    ends = []
    for order in permutations(bodies):
        _forget(bucket)
        for body in order:
            bucket.webhook(body)
            bucket.run()
        for body in random.Random(1).choices(bodies, k=6):
            bucket.webhook(body)
            bucket.run()
        ends.append(_content(bucket))
        assert bucket.services.database["imports"].count_documents({"state": "done"}) == 3

    assert ends[0]
    assert all(end == ends[0] for end in ends)


def test_all_events_dropped_the_bucket_is_imported_all_the_same(bucket: Bucket):
    bodies = [event(bucket, "may.csv", bucket.put("may.csv", body)) for body in VERSIONS]
    for body in bodies:
        bucket.webhook(body)
    bucket.run()
    told = _content(bucket)
    _forget(bucket)

    bucket.compare()

    assert _content(bucket) == told


@pytest.mark.parametrize("change", ["overwritten", "deleted"])
def test_an_object_changed_during_its_import_is_imported_as_it_was(make_world: Callable[..., World], change: str):
    world = make_world(60)
    world.again()
    importer = world.start(Fault("checkpointed", signal.SIGKILL, passes=2))
    assert importer.reached()
    importer.wait()
    if change == "overwritten":
        world.bucket.put(KEY, csv(line("new"), *(line(n, status="other") for n in range(60))))
    else:
        world.bucket.services.objects.client.remove_object(world.bucket.name, KEY)

    assert world.start().wait() == 0

    world.check()


def test_a_version_destroyed_during_its_import_fails_it_and_keeps_its_rejects(make_world: Callable[..., World]):
    world = make_world(60)
    world.again()
    importer = world.start(Fault("checkpointed", signal.SIGKILL, passes=2))
    assert importer.reached()
    importer.wait()
    world.bucket.services.objects.client.remove_object(world.bucket.name, KEY, version_id=world.version.version_id)

    assert world.start().wait() == 0

    job = world.bucket.job(world.job)
    assert (job["state"], job["error"]["code"]) == ("failed", "object.not_found")
    assert counts(job)[0] == 24
    assert world.outcome().leases == 0
    assert len(world.bucket.rejects(job["rejects"]["key"]).splitlines()) == 1 + counts(job)[-1]
