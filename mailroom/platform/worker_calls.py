"""What each worker function notes about its calls: the collection `workers`, with one document for each function.

    calledAt   when a call began last, in any replica
    failure    why a call failed lately: `{code, text, since, at}`

"No worker was called since then" is the answer to many a question why something waits: the schedule is broken, or the
function does not start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime

import msgspec
from pymongo.errors import PyMongoError

from mailroom.platform.mongo import Document, Documents
from mailroom.platform.server_clock import ServerClock

log = logging.getLogger(__name__)

WRITE_SECONDS = 15.0
"""A process writes no more often. The schedule comes each minute, so a mark that is two minutes old is too old."""


class Failure(msgspec.Struct, frozen=True):
    """Why calls of a worker fail: since when, and when that was last seen. `text` completes "The call failed: …"."""

    code: str
    text: str
    since: datetime
    at: datetime


class WorkerCalls:
    """The calls of one worker function, as one process notes them. Any thread may call `begins`, one run the others.

    If MongoDB refuses a note, the call goes on.
    """

    def __init__(self, workers: Documents, clock: ServerClock, function: str) -> None:
        self._workers = workers
        self._clock = clock
        self._function = function
        self._begun = _Throttle()
        self._failing = _Throttle()
        self._failure: Failure | None = None
        self._failed_now = False

    def begins(self) -> None:
        """Notes a call, at most once in `WRITE_SECONDS`."""
        if self._begun.passes() and not self._note(lambda now: {"$max": {"calledAt": now}}):
            self._begun.forget()

    def fails(self, code: str, text: str) -> None:
        """Notes why this run cannot do its work. The same failure is noted at most once in `WRITE_SECONDS`."""
        self._failed_now = True
        before = self._failure if self._failure and (self._failure.code, self._failure.text) == (code, text) else None
        if before is not None and not self._failing.passes():
            return

        def failure(now: datetime) -> Document:
            self._failure = Failure(code, text, before.since if before else now, now)
            return {"$set": {"failure": msgspec.to_builtins(self._failure, builtin_types=(datetime,))}}

        self._failing.passes()
        if not self._note(failure):
            self._failing.forget()

    def ends(self) -> None:
        """Call it when a run ends. Takes away the failure that this process has noted, if the run had none."""
        failed, self._failed_now = self._failed_now, False
        if self._failure is not None and not failed and self._note(lambda _: {"$unset": {"failure": ""}}):
            self._failure = None

    def _note(self, change: Callable[[datetime], Document]) -> bool:
        """Whether MongoDB has written it."""
        try:
            self._workers.update_one({"_id": self._function}, change(self._clock.now()), upsert=True)
        except PyMongoError as error:
            log.info("a call of %s is not noted: %s", self._function, type(error).__name__)
            return False
        return True


class _Throttle:
    """Lets one through in `WRITE_SECONDS`."""

    def __init__(self) -> None:
        self._at: float | None = None

    def passes(self) -> bool:
        now = time.monotonic()
        if self._at is not None and now - self._at < WRITE_SECONDS:
            return False
        self._at = now
        return True

    def forget(self) -> None:
        """The next one is let through."""
        self._at = None


def called_at(workers: Documents, function: str) -> datetime | None:
    """When the worker `function` last began a call, to within `WRITE_SECONDS`; None if it was never called."""
    found = workers.find_one({"_id": function}, {"calledAt": 1})
    return None if found is None else found.get("calledAt")
