"""How the processor time of some work grows with the size of what it is given."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

TIMES = 8  # three doublings

# Work that takes linear time takes 8 times as long for 8 times as much, work in quadratic time 64 times.
MOST_GROWTH = 24

# Less than this for the largest size is no matter, and too little to be measured.
_SECONDS = 0.005


def grows_like_its_size(make: Callable[[int], T], work: Callable[[T], object], largest: int) -> bool:
    """Whether `work` takes linear time for what `make` makes, of up to about `largest` bytes.

    Measures several times before it says no, and compares the least times: another process disturbs these least.
    """
    small, large = make(largest // TIMES), make(largest)
    work(small)  # imports, caches
    least, most = _seconds(work, small), _seconds(work, large)
    for _ in range(5):
        if most < max(_SECONDS, MOST_GROWTH * least):
            return True
        least, most = min(least, _seconds(work, small)), min(most, _seconds(work, large))
    return False


def _seconds(work: Callable[[T], object], given: T) -> float:
    began = time.thread_time()
    work(given)
    return time.thread_time() - began
