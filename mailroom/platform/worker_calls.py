"""When each worker was called last: the collection `workers`, with `{_id: FUNCTION, calledAt}` for each.

"No worker was called since then" is the answer to many a question why something waits: the schedule is broken, or the
function does not start.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime

from pymongo.errors import PyMongoError

from mailroom.platform.mongo import Documents
from mailroom.platform.server_clock import ServerClock

log = logging.getLogger(__name__)

WRITE_SECONDS = 15.0
"""A process writes no more often. The schedule comes each minute, so a mark that is two minutes old is too old."""


class WorkerCalls:
    """The calls of one worker function, as one process notes them. Any thread may call it."""

    def __init__(self, workers: Documents, clock: ServerClock, function: str) -> None:
        self._workers = workers
        self._clock = clock
        self._function = function
        self._written_at: float | None = None

    def begins(self) -> None:
        """Notes a call, at most once in `WRITE_SECONDS`. If MongoDB refuses the note, the call goes on."""
        now = time.monotonic()
        if self._written_at is not None and now - self._written_at < WRITE_SECONDS:
            return
        self._written_at = now
        try:
            called = {"$max": {"calledAt": self._clock.now()}}
            self._workers.update_one({"_id": self._function}, called, upsert=True)
        except PyMongoError as error:
            self._written_at = None
            log.info("a call of %s is not noted: %s", self._function, type(error).__name__)


def called_at(workers: Documents, function: str) -> datetime | None:
    """When the worker `function` last began a call, to within `WRITE_SECONDS`; None if it was never called."""
    found = workers.find_one({"_id": function}, {"calledAt": 1})
    return None if found is None else found.get("calledAt")
