"""Undo of imports that ended while a worker had written rows that no checkpoint counts."""

from __future__ import annotations

import gzip
import os
import signal
from collections.abc import Callable

import pytest
from bson import ObjectId

from mailroom.platform.clock import Budget
from tests.faults.child import Fault
from tests.faults.world import World
from tests.integration.invoices.files import csv, line

LINES = [line(f"own-{n}") for n in range(60)]
CHANGED = range(0, 60, 5)


def submit(world: World, key: str, body: bytes) -> ObjectId:
    return ObjectId(world.bucket.submit(key, body))


def kill_at(world: World, place: str, passes: int) -> None:
    """Starts an importer, which dies at this place."""
    broken = world.start(Fault(place, signal.SIGKILL, passes))
    assert broken.reached()
    assert broken.wait() == -signal.SIGKILL


def cancel(world: World, import_id: ObjectId) -> None:
    """Cancels an import, and does not wait for the lease of its worker to end."""
    world.actions().cancel(import_id)
    world.bucket.services.database["imports"].update_one({"_id": import_id}, {"$unset": {"quietAt": ""}})


def change_some(world: World) -> None:
    """Changes some of the invoices by another import."""
    numbers = _numbers(world)
    rows = [line(f"own-{n}", status="paid") for n in CHANGED if f"own-{n}" in numbers]
    world.bucket.import_("paid.csv", csv(*rows))


def check_undo(world: World, import_id: ObjectId) -> None:
    """Asserts that an undo, also its forecast, says how many invoices it deletes and leaves."""
    written = _numbers(world)
    changed = {f"own-{n}" for n in CHANGED} & written
    assert 0 < len(changed) < len(written)
    actions = world.actions()

    foreseen = actions.foresee_undo(import_id)
    undone = actions.undo(import_id, Budget(60))

    assert _numbers(world) == changed
    assert (undone.deleted, undone.left) == foreseen == (len(written) - len(changed), len(changed))
    assert actions.foresee_undo(import_id) == (0, len(changed))
    assert actions.undo(import_id, Budget(60)) == undone


def _numbers(world: World) -> set[str]:
    numbers = (each["invoiceNumber"] for each in world.bucket.invoices())
    return {number for number in numbers if number.startswith("own-")}


@pytest.mark.parametrize("place", ["half written", "written"])
@pytest.mark.parametrize("key", ["own.csv", "own.csv.gz"])
def test_an_undo_after_a_crash_and_a_cancel_counts_what_it_leaves(
    make_world: Callable[..., World], key: str, place: str
):
    world = make_world(30)
    import_id = submit(world, key, gzip.compress(csv(*LINES)) if key.endswith(".gz") else csv(*LINES))
    kill_at(world, place, 2)

    cancel(world, import_id)

    change_some(world)
    check_undo(world, import_id)


def test_an_undo_counts_what_it_leaves_of_chunks_that_were_open_at_the_cancel(make_world: Callable[..., World]):
    world = make_world(30, lease_seconds=30.0)
    import_id = submit(world, "own.csv", csv(*LINES))
    kill_at(world, "written", 1)
    kill_at(world, "written", 3)
    assert len(world.bucket.job(str(import_id))["parts"]) == 2

    cancel(world, import_id)

    change_some(world)
    check_undo(world, import_id)


def test_an_undo_counts_what_it_leaves_of_a_file_that_was_deleted_in_the_middle(make_world: Callable[..., World]):
    world = make_world(30)
    import_id = submit(world, "own.csv", csv(*LINES))
    kill_at(world, "written", 2)
    version = world.bucket.job(str(import_id))["versionId"]
    world.bucket.services.objects.client.remove_object(world.bucket.name, "own.csv", version)

    assert world.start().wait() == 0

    assert world.bucket.job(str(import_id))["error"]["code"] == "object.not_found"
    change_some(world)
    check_undo(world, import_id)


def test_an_undo_counts_what_an_import_changed_that_began_earlier_and_wrote_later(make_world: Callable[..., World]):
    world = make_world(30, lease_seconds=30.0)
    bucket = world.bucket
    version = bucket.services.objects.find(bucket.name, "own.csv", bucket.put("own.csv", csv(*LINES)))
    bucket.submit("newer.csv", csv(line("own-0", status="paid"), line("own-5", status="paid")))
    slow = world.start(Fault("rejects kept", signal.SIGSTOP))
    assert slow.reached()
    import_id, _ = bucket.ledger.submit(version)
    kill_at(world, "written", 1)

    cancel(world, import_id)
    os.kill(slow.pid, signal.SIGCONT)
    assert slow.wait() == 0

    written = _numbers(world)
    undone = world.actions().undo(import_id, Budget(60))
    assert _numbers(world) == {"own-0", "own-5"}
    assert (undone.deleted, undone.left) == (len(written) - 2, 2)
