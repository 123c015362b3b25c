"""Marks that spare kicks: the collection `kicks`, with one document for each worker function.

    kickedUntil  a kick is on its way. Each call of the worker takes the mark away before it looks for work.
    looksUntil   a worker will look for work again. It takes the mark away before it looks for the last time.

Whoever has written work and then finds a mark need not kick: a look for work comes after it. Both marks expire, so
that a kick or a worker that is lost keeps nobody from kicking for long. The schedule finds the work then.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta

from pymongo.errors import DuplicateKeyError, PyMongoError

from mailroom.platform.mongo import Document, Documents
from mailroom.platform.server_clock import ServerClock
from mailroom.platform.worker_calls import WorkerCalls

log = logging.getLogger(__name__)

# A gateway's queue may hold a kick back while other functions are called. The schedule comes each minute.
_ON_ITS_WAY = timedelta(seconds=30)

# A worker that looks less often is busy with a large file: then a kick may find another one idle.
_LOOKS_WITHIN = timedelta(seconds=2)
_RENEW_SECONDS = 0.5

_NEVER = datetime.fromtimestamp(0, UTC)


class KickMarks:
    """The side of those who kick. Errors are the driver's."""

    def __init__(self, kicks: Documents, clock: ServerClock) -> None:
        self.kicks = kicks
        self.clock = clock

    def begin_kick(self, function: str, *, help_: bool) -> datetime | None:
        """Marks a kick as on its way. Returns the mark, or None if no kick is needed.

        `help_`: a worker at work asks for another one, so it does not count that a worker will look again.
        """
        now = self.clock.now()
        # In whole seconds, as MongoDB keeps milliseconds and `kick_failed` asks for this time.
        mark = (now + _ON_ITS_WAY).replace(microsecond=0)
        which: Document = {"_id": function, "kickedUntil": {"$not": {"$gt": now}}}
        if not help_:
            which["looksUntil"] = {"$not": {"$gt": now}}
        try:
            self.kicks.update_one(which, {"$set": {"kickedUntil": mark}}, upsert=True)
        except DuplicateKeyError:  # the document exists and has such a mark
            return None
        return mark

    def kick_failed(self, function: str, mark: datetime) -> None:
        """Takes the mark away: the next kick is to be sent."""
        self.kicks.update_one({"_id": function, "kickedUntil": mark}, {"$set": {"kickedUntil": _NEVER}})


class WorkerMarks:
    """The side of a worker. Used by one run at a time; only `call_begins` may be called by any thread.

    If MongoDB refuses a mark, kicks are sent that are not needed, or the schedule finds the work.
    """

    def __init__(self, marks: KickMarks, calls: WorkerCalls, function: str) -> None:
        self.calls = calls
        self._marks = marks
        self._function = function
        self._marked = False
        self._marked_at = 0.0

    def call_begins(self) -> None:
        """A kick that is on its way has come. Also notes the call."""
        self.calls.begins()
        self._set({"kickedUntil": {"$gt": _NEVER}}, "kickedUntil")

    def will_look_again(self) -> bool:
        """Call it when work was found. True now and then while much is found: another worker may help."""
        if self._marked and time.monotonic() - self._marked_at < _RENEW_SECONDS:
            return False
        renewed, self._marked, self._marked_at = self._marked, True, time.monotonic()
        self._set({}, "looksUntil", _LOOKS_WITHIN)
        return renewed

    def looks_for_the_last_time(self) -> bool:
        """Call it before the last look for work. False if that is over: no work was found since the last call."""
        marked, self._marked = self._marked, False
        if marked:
            self._set({}, "looksUntil")
        return marked

    def _set(self, which: Document, mark: str, within: timedelta | None = None) -> None:
        """Sets the mark until then, or takes it away."""
        try:
            until = self._marks.clock.now() + within if within else _NEVER
            self._marks.kicks.update_one({"_id": self._function, **which}, {"$set": {mark: until}})
        except PyMongoError as error:
            log.info("kicks of %s are not marked: %s", self._function, type(error).__name__)
