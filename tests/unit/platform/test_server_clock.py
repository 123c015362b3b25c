"""The clock gives the database server's time, however long the first answer took."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mailroom.platform import server_clock as clock
from mailroom.platform.server_clock import ServerClock

BEGIN = datetime(2024, 1, 31, 12, 0, tzinfo=UTC)


class World:
    """A slow server. `ways` are the seconds that each request takes to arrive."""

    def __init__(self, *ways: float) -> None:
        self.seconds = 100.0
        self.ways = list(ways)

    @property
    def true_time(self) -> datetime:
        return BEGIN + timedelta(seconds=self.seconds)

    def server_time(self, database: object) -> datetime:
        self.seconds += self.ways.pop(0)
        return self.true_time


@pytest.mark.parametrize(
    ("ways", "ahead"),
    [
        ([0.001], 0.001),
        ([0.5, 0.002], 0.002),  # a connection was opened first
        ([0.5, 0.3], 0.3),  # twice at most: a slow server is not asked for ever
    ],
)
def test_the_clock_is_ahead_by_at_most_the_time_of_the_request(
    monkeypatch: pytest.MonkeyPatch, ways: list[float], ahead: float
) -> None:
    world = World(*ways)
    monkeypatch.setattr(clock, "server_time", world.server_time)
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: world.seconds))
    database: Any = None
    told = ServerClock(database)
    for _ in range(2):
        assert (told.now() - world.true_time).total_seconds() == pytest.approx(ahead, abs=1e-5)
        world.seconds += 0.4
    assert world.ways == []
