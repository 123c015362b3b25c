"""The events that became no import, counted for the metrics of this process."""

from __future__ import annotations

import threading


class IgnoredEvents:
    """How many events this process has passed over. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def add(self, number: int) -> None:
        with self._lock:
            self.count += number


IGNORED = IgnoredEvents()
