"""The rate at which messages go to the relay, on a clock of the test's own."""

from __future__ import annotations

import asyncio

import pytest

from mailroom.notifications.sending.slots import SendRate


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        monkeypatch.setattr(asyncio, "sleep", self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def take(rate: SendRate, count: int, seconds: float = 60.0) -> list[bool]:
    async def acquired() -> list[bool]:
        return [await rate.acquire(seconds) for _ in range(count)]

    with asyncio.Runner() as runner:
        return runner.run(acquired())


def test_turns_are_evenly_spread_in_the_order_they_were_asked_for(time: Time) -> None:
    assert take(SendRate(10.0, time), 4) == [True] * 4
    assert time.slept == [0.0, 0.1, 0.2, 0.3]


def test_unused_turns_are_not_saved_up(time: Time) -> None:
    rate = SendRate(10.0, time)
    time.now += 50

    take(rate, 3)

    assert time.slept == [0.0, 0.1, 0.2]


def test_a_caller_who_cannot_wait_takes_no_turn(time: Time) -> None:
    rate = SendRate(0.5, time)

    assert take(rate, 3, seconds=2.5) == [True, True, False]
    assert take(rate, 1, seconds=4.5) == [True]
    assert time.slept == [0.0, 2.0, 4.0]


def test_a_turn_given_back_goes_to_the_next(time: Time) -> None:
    rate = SendRate(1.0, time)
    take(rate, 2)

    rate.give_back()
    take(rate, 1)

    assert time.slept == [0.0, 1.0, 1.0]


def test_without_a_limit_nobody_waits(time: Time) -> None:
    assert take(SendRate(0.0, time), 1000, seconds=0.0) == [True] * 1000
    assert time.slept == []
