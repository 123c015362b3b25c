"""Importers die without warning: at every batch boundary, and at any moment."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.child import PLACES, Fault
from tests.faults.world import KEY, World, life
from tests.support.slow import others_slow

BATCH_PLACES = ("batch read", "rejects kept", "half written", "written", "checkpointed")
LEAST_KILLS = 50
LONGEST_LIFE_SECONDS = 0.35


@pytest.mark.parametrize("last_wins", others_slow([False, True], False))
def test_a_kill_at_any_batch_boundary_changes_no_result(make_world: Callable[..., World], last_wins: bool):
    world = make_world(80, last_wins=last_wins)
    world.again()
    deaths = 0

    while world.state() not in ("done", "failed"):
        for place in BATCH_PLACES:
            importer = world.start(Fault(place))
            if importer.reached():
                assert importer.wait() == -signal.SIGKILL
                deaths += 1

    assert deaths >= 7 * len(BATCH_PLACES) - 1
    world.check()


@pytest.mark.parametrize("compressed", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("place", ["keys stored", "rows noted", "comparison saved"])
def test_a_kill_at_any_step_of_the_comparison_changes_no_result(
    make_world: Callable[..., World], place: str, compressed: bool
):
    world = make_world(80, compressed=compressed)
    world.again()
    deaths = 0

    for passes in (1, 1, 2, 3):  # each time from where the last one died
        importer = world.start(Fault(place, passes=passes))
        if importer.reached():
            assert importer.wait() == -signal.SIGKILL
            deaths += 1
    world.start().wait()

    assert deaths >= 3
    world.check()
    assert world.bucket.services.database["comparisons"].count_documents({}) == 0


@pytest.mark.parametrize("place", ["claimed", "rejects file written", "finished"])
def test_a_kill_at_the_beginning_or_the_end_changes_no_result(make_world: Callable[[int], World], place: str):
    world = make_world(30)
    world.again()

    importer = world.start(Fault(place))
    assert importer.reached()
    assert importer.wait() == -signal.SIGKILL
    world.start().wait()

    world.check()


def test_a_kill_after_the_end_loses_no_mail_about_it(make_world: Callable[[int], World]):
    world = make_world(30)
    world.again()

    importer = world.start(Fault("finished"), import_notify="accounts@example.com")
    assert importer.reached()
    assert importer.wait() == -signal.SIGKILL
    assert world.mails() == []
    for _ in range(2):
        world.start(import_notify="accounts@example.com").wait()

    assert world.mails() == [f"Import done: {KEY}"]
    world.check()


@pytest.mark.parametrize("place", ["rejects file written", "finished"])
def test_a_kill_around_the_end_loses_and_doubles_no_announcement(make_world: Callable[[int], World], place: str):
    world = make_world(30)
    world.again()
    endpoint = {"events": ["import.done", "import.rejected_rows"], "enabled": True}
    world.bucket.services.database["webhooks"].insert_one(endpoint)

    importer = world.start(Fault(place))
    assert importer.reached()
    assert importer.wait() == -signal.SIGKILL
    world.start().wait()

    job = world.bucket.job(world.job)
    assert [each["type"] for each in job["announcements"]] == ["import.done", "import.rejected_rows"]
    assert {each["data"]["state"] for each in job["announcements"]} == {"done"}
    world.check()


@pytest.mark.slow
def test_kills_at_random_moments_change_no_result(make_world: Callable[[int], World]):
    seed = int(os.environ.get("MAILROOM_SEED", time.time_ns() % 1_000_000))
    print(f"MAILROOM_SEED={seed}")
    moments = random.Random(seed)
    world = make_world(400)
    kills = runs = 0

    while kills < LEAST_KILLS:
        world.again()
        runs += 1
        kills_of_this = 0
        while world.state() not in ("done", "failed"):
            importer = world.start(Fault("claimed", signal.SIGCONT))  # harmless: it shows that work is going on
            if not importer.reached():
                continue
            importer.process.join(life(moments, LONGEST_LIFE_SECONDS, kills_of_this))
            importer.process.kill()  # may come just too late
            kills_of_this += importer.wait() == -signal.SIGKILL
        kills += kills_of_this
        world.check()

    print(f"{kills} kills in {runs} imports")


@pytest.mark.slow
def test_every_place_is_one_that_an_import_passes(make_world: Callable[[int], World]):
    world = make_world(30)
    for place in PLACES:
        world.again()
        importer = world.start(Fault(place, signal.SIGCONT))
        assert importer.reached(), place
        importer.wait()
        world.check()
