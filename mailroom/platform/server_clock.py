"""The database server's clock, without asking it each time."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from pymongo.database import Database

from mailroom.platform.mongo import Document, server_time

# So old a reading is good: clocks do not drift by a millisecond in this time, and a process that was paused runs on a
# clock that went on.
_GOOD_SECONDS = 1.0

# A reading that took longer is made once more: with the first, a connection is opened.
_SLOW_SECONDS = 0.005


class ServerClock:
    """Tells the server's time, read at most once a second. Blocks for that reading."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._reading: tuple[float, datetime] | None = None

    def now(self) -> datetime:
        reading = self._reading
        if reading is None or time.monotonic() - reading[0] > _GOOD_SECONDS:
            reading = self._read()
            if time.monotonic() - reading[0] > _SLOW_SECONDS:
                reading = self._read()
            self._reading = reading
        return reading[1] + timedelta(seconds=time.monotonic() - reading[0])

    def _read(self) -> tuple[float, datetime]:
        # The time of before the question: what is told may be ahead by the way there, never behind. By as much, what is
        # due at once for one process is not yet due for another, and its kick finds nothing.
        return time.monotonic(), server_time(self._database)
