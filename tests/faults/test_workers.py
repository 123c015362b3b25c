"""Several importers on one file: whatever happens to them, the result is that of one, down to the counts."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from bson import ObjectId

from tests.faults.child import Fault
from tests.faults.world import World, life
from tests.integration.invoices.files import counts, csv, line
from tests.support.slow import others_slow

WRITING = (
    "half written",
    "written",
    *(pytest.param(place, marks=pytest.mark.slow) for place in ("chunk taken", "batch read", "rejects kept")),
)
LEAST_KILLS = 20
LONGEST_LIFE_SECONDS = 0.7


@pytest.mark.parametrize("last_wins", others_slow([False, True], False))
def test_two_workers_at_once_give_the_result_of_one(make_world: Callable[..., World], last_wins: bool):
    world = make_world(200, last_wins=last_wins)
    world.again()
    first = world.start(Fault("checkpointed", signal.SIGSTOP))
    assert first.reached()
    second = world.start(Fault("checkpointed", signal.SIGCONT))
    assert second.reached()  # it has written a chunk of its own while the import was not done

    os.kill(first.pid, signal.SIGCONT)

    assert (first.wait(), second.wait()) == (0, 0)
    world.check()


@pytest.mark.parametrize("place", WRITING)
@pytest.mark.parametrize("fault", others_slow([signal.SIGKILL, signal.SIGSTOP], signal.SIGKILL))
def test_a_chunk_of_a_worker_that_died_or_paused_is_finished_by_the_other(
    make_world: Callable[..., World], place: str, fault: signal.Signals
):
    world = make_world(80)
    world.again()
    broken = world.start(Fault(place, fault, passes=2))
    assert broken.reached()
    others = [world.start() for _ in range(2)]
    assert [other.wait() for other in others] == [0, 0]
    world.check()

    if fault is signal.SIGSTOP:
        os.kill(broken.pid, signal.SIGCONT)
        assert broken.wait() == 0
        world.check()


@pytest.mark.slow
def test_workers_killed_and_paused_at_random_give_the_result_of_one(make_world: Callable[..., World]):
    seed = int(os.environ.get("MAILROOM_SEED", time.time_ns() % 1_000_000))
    print(f"MAILROOM_SEED={seed}")
    moments = random.Random(seed)
    world = make_world(150)
    kills = 0
    while kills < LEAST_KILLS:
        world.again()
        stopped = []
        faults = 0
        while world.state() not in ("done", "failed"):
            pair = [world.start(Fault("claimed", signal.SIGCONT)), world.start()]
            if not pair[0].reached():
                continue
            pair[0].process.join(life(moments, LONGEST_LIFE_SECONDS, faults))
            faults += 1
            if moments.random() < 0.2:
                with suppress(ProcessLookupError):
                    os.kill(pair[1].pid, signal.SIGSTOP)
                stopped.append(pair[1])
            else:
                pair[1].process.kill()
                kills += pair[1].wait() == -signal.SIGKILL
            pair[0].process.kill()
            kills += pair[0].wait() == -signal.SIGKILL
        world.check()
        for importer in stopped:
            with suppress(ProcessLookupError):  # it had ended before it could be stopped
                os.kill(importer.pid, signal.SIGCONT)
            importer.wait()
        world.check()


def test_other_workers_write_while_one_is_paused(make_world: Callable[..., World]):
    world = make_world(30, lease_seconds=30.0)
    body = csv(*(line(f"alone-{n}") for n in range(60)))
    import_id = world.bucket.submit("alone.csv", body)
    slow = world.start(Fault("chunk taken", signal.SIGSTOP))
    assert slow.reached()

    other = world.start(Fault("checkpointed", signal.SIGCONT, passes=4))
    assert other.reached()

    assert counts(world.bucket.job(import_id))[0] == 48
    os.kill(slow.pid, signal.SIGCONT)
    assert (slow.wait(), other.wait()) == (0, 0)
    assert counts(world.bucket.job(import_id)) == (60, 60, 0, 0, 0, 0)


def test_rows_of_one_invoice_are_written_in_their_order(make_world: Callable[..., World]):
    world = make_world(30, lease_seconds=30.0, last_wins=True)
    rows = [line(f"twice-{n}", status=status) for status in ("open", "paid") for n in range(12)]
    import_id = world.bucket.submit("twice.csv", csv(*rows))
    slow = world.start(Fault("chunk taken", signal.SIGSTOP))
    assert slow.reached()

    other = world.start(Fault("waiting for a chunk", signal.SIGCONT))
    assert other.reached()

    os.kill(slow.pid, signal.SIGCONT)
    assert (slow.wait(), other.wait()) == (0, 0)
    assert counts(world.bucket.job(import_id)) == (24, 12, 12, 0, 0, 0)
    found = [each for each in world.bucket.invoices() if each["invoiceNumber"].startswith("twice-")]
    assert {(each["status"], each["source"]["outcome"]) for each in found} == {("paid", "updated")}


def test_a_cancelled_import_ends_its_chunks_and_a_retry_goes_on_with_them(make_world: Callable[..., World]):
    world = make_world(80)
    world.again()
    slow = world.start(Fault("written", signal.SIGSTOP, passes=2))
    assert slow.reached()
    before = counts(world.bucket.job(world.job))

    world.actions().cancel(ObjectId(world.job))
    os.kill(slow.pid, signal.SIGCONT)
    assert slow.wait() == 0
    assert counts(world.bucket.job(world.job)) == before

    world.actions().retry(ObjectId(world.job))
    assert [world.start().wait() for _ in range(2)] == [0, 0]
    world.check()
