"""A value that takes long to compute, kept for a while in the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from mailroom.errors import Busy, Invalid

T = TypeVar("T")

_WAIT_SECONDS = 5.0
_RETRY_AFTER_SECONDS = 5


class Cached(Generic[T]):
    """Computes a value when it is asked for, and again when it is older than `seconds`.

    One thread computes at a time. Meanwhile others get the old value; without one they wait for some seconds. That
    something is `Invalid` is kept as a value is: to find it out may have taken as long. No other error is kept.
    """

    def __init__(self, compute: Callable[[], T], seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._compute = compute
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._found: tuple[float, T | Invalid] | None = None

    def get(self) -> T:
        """The value. Raises what computing it raises, and `Busy` if another thread takes long to compute it."""
        found = self._found
        if found is None or self._clock() - found[0] >= self._seconds:
            found = self._computed(found)
        if isinstance(found[1], Invalid):
            raise found[1]
        return found[1]

    def _computed(self, old: tuple[float, T | Invalid] | None) -> tuple[float, T | Invalid]:
        if not self._lock.acquire(timeout=0 if old else _WAIT_SECONDS):
            if old is not None:
                return old
            message = "this is being computed: try again soon"
            raise Busy("stream.busy", message, retry_after=_RETRY_AFTER_SECONDS)
        try:
            if self._found is None or self._found is old:
                self._found = (self._clock(), self._outcome())
            return self._found
        finally:
            self._lock.release()

    def _outcome(self) -> T | Invalid:
        try:
            return self._compute()
        except Invalid as error:
            return error
