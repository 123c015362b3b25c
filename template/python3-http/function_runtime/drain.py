"""When to stop serving after a signal.

serving --SIGTERM--> draining: not ready, but serving --no call for a while, or out of time--> stopped
   |                     |
   +-------SIGINT--------+---> draining, without the wait for calls that may still come
"""

import logging
import signal
import threading
import time
from queue import Empty, SimpleQueue

log = logging.getLogger("function")

POLL_SECONDS = 0.02
# After SIGINT, how long no call must have been seen: the last bytes of an answer may still be on their way.
LAST_BYTES_SECONDS = 0.1


class Drain:
    """Counts calls, and knows when to stop: after a signal, once no call was seen for a while; or out of time.

    A call ends when Waitress has taken its whole answer. Waitress then holds at most two pieces of it.
    """

    def __init__(self, quiet_seconds: float, drain_seconds: float) -> None:
        self.begun = False
        self._quiet_seconds = quiet_seconds
        self._drain_seconds = drain_seconds
        self._signals: SimpleQueue[int] = SimpleQueue()  # its put() may interrupt its get(), as a signal handler does
        self._lock = threading.Lock()
        self._calls = 0
        self._last_seen = 0.0

    def enter(self) -> None:
        with self._lock:
            self._calls += 1

    def leave(self) -> None:
        with self._lock:
            self._calls -= 1
            self._last_seen = time.monotonic()

    def signal(self, number: int, _frame: object = None) -> None:
        """Handle SIGTERM or SIGINT."""
        self._signals.put(number)

    def wait(self) -> bool:
        """Block until it is time to stop. False when calls are still in flight, because time is over."""
        number: int | None = self._signals.get()
        self.begun = True
        began = time.monotonic()
        quiet_seconds = self._quiet_seconds
        while True:
            if number == signal.SIGINT:
                quiet_seconds = min(quiet_seconds, LAST_BYTES_SECONDS)
            now = time.monotonic()
            with self._lock:
                calls, quiet_since = self._calls, max(began, self._last_seen)
            if not calls and now - quiet_since >= quiet_seconds:
                return True
            if now - began >= self._drain_seconds:
                if calls:
                    log.warning("out of time, calls are cut off", extra={"calls": calls})
                return not calls
            number = self._next_signal()

    def _next_signal(self) -> int | None:
        try:
            return self._signals.get(timeout=POLL_SECONDS)
        except Empty:
            return None
