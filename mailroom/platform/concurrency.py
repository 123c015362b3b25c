"""A limit on calls that take long: each holds a thread until it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mailroom.errors import Busy

_RETRY_AFTER_SECONDS = 10


class ConcurrencyLimit:
    """Admits `limit` long calls at once in this process, so that other calls find a thread."""

    def __init__(self, limit: int) -> None:
        self._free = threading.Semaphore(limit)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Holds a slot. Raises `Busy` when none is free."""
        self._acquire()
        try:
            yield
        finally:
            self._free.release()

    def stream(self, start: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
        """The stream that `start` returns. It holds a slot until it ends or is closed.

        Raises:
            Busy: no slot is free.
            Exception: what `start` raises; the slot is free again.
        """
        self._acquire()
        try:
            return _LimitedStream(start(), self._free.release)
        except BaseException:
            self._free.release()
            raise

    def _acquire(self) -> None:
        if not self._free.acquire(blocking=False):
            message = "too many long calls at once: try again soon"
            raise Busy("stream.busy", message, retry_after=_RETRY_AFTER_SECONDS)


class _LimitedStream(Iterator[bytes]):
    """Not a generator: a generator that is closed before its first item runs no `finally`."""

    def __init__(self, stream: Iterator[bytes], release: Callable[[], None]) -> None:
        self._stream = stream
        self._release: Callable[[], None] | None = release

    def __next__(self) -> bytes:
        try:
            return next(self._stream)
        except BaseException:  # StopIteration too
            self.close()
            raise

    def close(self) -> None:
        getattr(self._stream, "close", lambda: None)()
        release, self._release = self._release, None
        if release is not None:
            release()
