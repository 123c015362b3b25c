"""When to stop serving after a signal.

serving --SIGTERM--> draining: not ready, but serving --no call for a while, or out of time--> stopped
   |                     |
   +-------SIGINT--------+---> draining, without the wait for calls that may still come
"""

import logging
import threading
import time

log = logging.getLogger("function")


class Traffic:
    """How many calls are in flight, and when one was last seen. Times are of `time.monotonic`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.in_flight = 0
        self.last_seen = 0.0

    def enter(self) -> None:
        with self._lock:
            self.in_flight += 1

    def leave(self) -> None:
        with self._lock:
            self.in_flight -= 1
            self.last_seen = time.monotonic()


class Drain:
    """When to stop: once told to, and quiet for as long as it takes; or out of time."""

    def __init__(self, traffic: Traffic, quiet_seconds: float, drain_seconds: float) -> None:
        self._traffic = traffic
        self._quiet_seconds = quiet_seconds
        self._drain_seconds = drain_seconds
        self._began: float | None = None
        self._last_busy = 0.0

    @property
    def begun(self) -> bool:
        return self._began is not None

    def begin(self, wait_for_more: bool) -> None:
        self._began = self._began or time.monotonic()
        if not wait_for_more:
            self._quiet_seconds = 0

    def over(self, busy: bool) -> bool:
        if self._began is None:
            return False
        now = time.monotonic()
        busy = busy or self._traffic.in_flight > 0
        if busy:
            self._last_busy = now
        if now - self._began >= self._drain_seconds:
            if busy:
                log.warning("out of time, calls are cut off", extra={"calls": self._traffic.in_flight})
            return True
        quiet_since = max(self._began, self._last_busy, self._traffic.last_seen)
        return not busy and now - quiet_since >= self._quiet_seconds
