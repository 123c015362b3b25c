"""A limit on calls that take long: each holds a thread until it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
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
        if not self._free.acquire(blocking=False):
            message = "too many long calls at once: try again soon"
            raise Busy("stream.busy", message, retry_after=_RETRY_AFTER_SECONDS)
        try:
            yield
        finally:
            self._free.release()
