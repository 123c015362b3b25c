"""An event loop in a thread of its own: the SMTP connections live there, between the calls that use them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Starts with the first coroutine. One per process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def running(self) -> bool:
        return self._loop is not None

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Runs `work` and returns at once."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A daemon: a process that must end is not held up by a relay that hangs.
                threading.Thread(target=self._loop.run_forever, name="smtp", daemon=True).start()
            loop = self._loop
        return asyncio.run_coroutine_threadsafe(work, loop)

    def stop(self) -> None:
        """Ends the loop; what still runs there is left where it is."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
