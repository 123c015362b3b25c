"""An importer is paused for longer than its lease, and goes on after another has finished."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.faults.child import PLACES, Fault
from tests.faults.world import World
from tests.support.slow import others_slow


@pytest.mark.parametrize(
    "place", others_slow((place for place in PLACES if place != "finished"), "claimed", "half written", "written")
)
def test_a_stale_worker_changes_nothing(make_world: Callable[..., World], place: str):
    world = make_world(40)
    world.again()
    stale = world.start(Fault(place, signal.SIGSTOP))
    assert stale.reached()

    assert world.start().wait() == 0
    world.check()
    epoch = world.bucket.job(world.job)["epoch"]
    os.kill(stale.pid, signal.SIGCONT)

    assert stale.wait() == 0
    world.check()
    assert world.bucket.job(world.job)["epoch"] == epoch
