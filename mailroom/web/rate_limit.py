"""How many calls a key may make. Each replica counts for itself: with two, a key may make up to twice as many."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from mailroom.web.problems import Problem


class RateLimit:
    """A token bucket for each key: `per_minute` calls at once, refilled evenly. 0 is no limit."""

    def __init__(self, per_minute: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        # Only keys that exist get here, so the memory is bounded by their number.
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> None:
        """Counts a call of `key`. Raises `Problem` 429, with the seconds to wait, when it calls too often."""
        if not self._per_minute:
            return
        rate = self._per_minute / 60
        with self._lock:
            now = self._clock()
            tokens, since = self._buckets.get(key, (float(self._per_minute), now))
            tokens = min(float(self._per_minute), tokens + (now - since) * rate)
            allowed = tokens >= 1
            self._buckets[key] = (tokens - 1 if allowed else tokens, now)
        if not allowed:
            wait = math.ceil((1 - tokens) / rate)
            raise Problem(429, "rate.limited", "this key calls too often", headers={"Retry-After": str(wait)})
