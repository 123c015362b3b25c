"""The database server's clock, read at most once a second."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from pymongo.database import Database

from mailroom.platform.mongo import Document, server_time

# How long a reading is used. In this time, clocks drift by less than a millisecond. The monotonic clock goes on while a
# process is paused.
_GOOD_SECONDS = 1.0

# A reading that takes longer is repeated once: the first one opens a connection.
_SLOW_SECONDS = 0.005


class ServerClock:
    """The server's time. A reading blocks for the server's answer."""

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
        # Our time before the request: so this clock may be ahead, by the time of one request, and is never behind. A
        # message that is due for this process may then not be due yet for another, and a kick finds nothing.
        return time.monotonic(), server_time(self._database)
