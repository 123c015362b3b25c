"""The database server's clock, without asking it each time."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from pymongo.database import Database

from mailroom.platform.mongo import Document, server_time

# So old a reading is good: clocks do not drift by a millisecond in this time, and a process that was paused runs on a
# clock that went on.
_GOOD_SECONDS = 1.0


class ServerClock:
    """Tells the server's time, read at most once a second. Blocks for that reading."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._reading: tuple[float, datetime] | None = None

    def now(self) -> datetime:
        reading = self._reading
        if reading is None or time.monotonic() - reading[0] > _GOOD_SECONDS:
            # The time of before the question: what is told is then late by the way there and back, never early.
            reading = self._reading = (time.monotonic(), server_time(self._database))
        return reading[1] + timedelta(seconds=time.monotonic() - reading[0])
