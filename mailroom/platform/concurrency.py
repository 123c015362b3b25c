"""How many calls may take long at once: each takes a thread all the while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mailroom.web.problems import Problem

_RETRY_AFTER_SECONDS = 10


class Turns:
    """`most` at once in this process, so that other calls find a thread."""

    def __init__(self, most: int) -> None:
        self._free = threading.Semaphore(most)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Holds a turn. Raises `Problem` 503 when all are taken."""
        self._acquire()
        try:
            yield
        finally:
            self._free.release()

    def take(self, stream: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
        """What `stream` makes, holding a turn until it ends or is closed.

        Raises:
            Problem: 503 when all turns are taken, and what `stream` raises.
        """
        self._acquire()
        try:
            return _Held(stream(), self._free.release)
        except BaseException:
            self._free.release()
            raise

    def _acquire(self) -> None:
        if not self._free.acquire(blocking=False):
            detail = "too many are read at once: try again soon"
            raise Problem(503, "stream.busy", detail, headers={"Retry-After": str(_RETRY_AFTER_SECONDS)})


class _Held(Iterator[bytes]):
    """Not a generator: one that is closed before its first item runs no `finally`."""

    def __init__(self, stream: Iterator[bytes], release: Callable[[], None]) -> None:
        self._stream = stream
        self._release: Callable[[], None] | None = release

    def __next__(self) -> bytes:
        try:
            return next(self._stream)
        except BaseException:  # its end, too
            self.close()
            raise

    def close(self) -> None:
        getattr(self._stream, "close", lambda: None)()
        release, self._release = self._release, None
        if release is not None:
            release()
