"""How many calls a key may make. Each replica counts for itself: with two, a key may make up to twice as many.

A route without a key counts only refused calls, for the caller's network address: a provider that reports on much mail
calls often, and its signature is what admits it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from mailroom.web.problems import Problem

_MOST_BUCKETS = 10_000  # strangers may call from any number of addresses


class RateLimit:
    """A token bucket for each key or address: `per_minute` calls at once, refilled evenly. 0 is no limit."""

    def __init__(self, per_minute: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        # Tokens and when they were counted, the latest last.
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> None:
        """Counts a call of `key`. Raises `Problem` 429, with the seconds to wait, when it calls too often."""
        self._refuse(self._count(key), "this key calls too often")

    def check(self, address: str) -> None:
        """Raises `Problem` 429 while too many calls from `address` were refused. Counts nothing."""
        if self._per_minute and address:
            with self._lock:
                tokens = self._tokens(address, self._clock())
            self._refuse(tokens, "too many calls from this address were refused")

    def count(self, address: str) -> None:
        """Counts a call from `address` that was refused."""
        if address:
            self._count(address)

    def _count(self, key: str) -> float:
        """The tokens before this call, which takes one if there is one."""
        if not self._per_minute:
            return 1
        with self._lock:
            now = self._clock()
            tokens = self._tokens(key, now)
            self._buckets.pop(key, None)
            self._buckets[key] = (tokens - 1 if tokens >= 1 else tokens, now)
            if len(self._buckets) > _MOST_BUCKETS:
                del self._buckets[next(iter(self._buckets))]
        return tokens

    def _tokens(self, key: str, now: float) -> float:
        most = float(self._per_minute)
        tokens, since = self._buckets.get(key, (most, now))
        return min(most, tokens + (now - since) * most / 60)

    def _refuse(self, tokens: float, text: str) -> None:
        if tokens < 1:
            wait = math.ceil((1 - tokens) * 60 / self._per_minute)
            raise Problem(429, "rate.limited", text, headers={"Retry-After": str(wait)})
