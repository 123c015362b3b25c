"""A value that is kept for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailroom.errors import Busy, Invalid
from mailroom.platform import cached
from mailroom.platform.cached import Cached


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def counting(values: list[int]) -> Callable[[], int]:
    def compute() -> int:
        values.append(len(values))
        return values[-1]

    return compute


def test_a_value_is_computed_again_when_it_is_old() -> None:
    clock, values = Clock(), list[int]()
    kept = Cached(counting(values), 60, clock)
    assert (kept.get(), kept.get()) == (0, 0)
    clock.now = 59.9
    assert kept.get() == 0
    clock.now = 60
    assert (kept.get(), kept.get()) == (1, 1)


def test_what_is_invalid_is_kept_and_another_error_is_not() -> None:
    calls: list[Exception] = [Busy("b", "busy"), Invalid(None, "totals.too_many", "too many")]

    def compute() -> int:
        raise calls.pop(0)

    kept = Cached(compute, 60, Clock())
    with pytest.raises(Busy):
        kept.get()
    for _ in range(2):
        with pytest.raises(Invalid):
            kept.get()


def test_while_one_computes_the_others_get_the_old_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "_WAIT_SECONDS", 0.01)
    clock, begun, go_on = Clock(), threading.Event(), threading.Event()
    values: list[int] = []

    def compute() -> int:
        values.append(len(values))
        begun.set()
        assert go_on.wait(60)
        return values[-1]

    kept = Cached(compute, 60, clock)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(kept.get)
        assert begun.wait(60)
        with pytest.raises(Busy):
            kept.get()
        go_on.set()
        assert first.result() == 0
        begun.clear()
        go_on.clear()
        clock.now = 61
        second = threads.submit(kept.get)
        assert begun.wait(60)
        assert kept.get() == 0
        go_on.set()
        assert second.result() == 1
