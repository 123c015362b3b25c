"""Whether the relay serves us: from the last attempt, or by a connection of our own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from pymongo import DESCENDING

from mailroom.notifications.smtp.connection import NOT_SERVED, RelayDown
from mailroom.notifications.smtp.pool import Pool
from mailroom.platform.mongo import Document, Documents

# How long an attempt, or a probe, tells of the relay.
_TELLS = timedelta(minutes=1)

# A relay that is slower than this is not up.
_PROBE_SECONDS = 5.0

# The last messages that were tried: some were for the simulator alone, or suppressed.
_LOOKED_AT = 20

# Steps that follow a connection with TLS and log-in.
_SERVED = ("mail", "rcpt", "data", "content")


class RelayProbe:
    """Thread-safe. Makes a connection, with TLS and log-in, at most once a minute, and only if no mail was sent."""

    def __init__(self, messages: Documents, make_pool: Callable[[], Pool]) -> None:
        self._messages = messages
        self._make_pool = make_pool
        self._lock = threading.Lock()
        self._probed_at: float | None = None
        self._answered = False

    def up(self, now: datetime) -> bool:
        """Blocks for MongoDB, and for the relay if it is asked. Errors are the driver's."""
        told = self._last_attempt(now - _TELLS)
        return self._probe() if told is None else told

    def _last_attempt(self, since: datetime) -> bool | None:
        """Whether the relay served the last attempt since then; None if there was none."""
        which = {"updatedAt": {"$gte": since}, "settledBy": {"$exists": True}}
        fields = {"attempts": {"$slice": -1}, "test": 1}
        found = self._messages.find(which, fields, sort=[("updatedAt", DESCENDING)], hint="tried", limit=_LOOKED_AT)
        last = [attempt for each in found if not each.get("test") for attempt in each["attempts"]]
        answers = [(each["endedAt"], served) for each in last if (served := _served(each)) is not None]
        return max(answers)[1] if answers and max(answers)[0] >= since else None

    def _probe(self) -> bool:
        with self._lock:
            if self._probed_at is None or time.monotonic() - self._probed_at >= _TELLS.total_seconds():
                self._answered = asyncio.run(self._connect())
                self._probed_at = time.monotonic()
            return self._answered

    async def _connect(self) -> bool:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                connection = await self._make_pool().fresh([])
                await connection.quit()
        except (RelayDown, TimeoutError):
            return False
        return True


def _served(attempt: Document) -> bool | None:
    """Whether the relay took commands in this attempt; None if it was not asked."""
    steps = [each for each in attempt["steps"] if each["step"] in ("connect", *_SERVED)]
    return any(each["step"] in _SERVED and each["code"] not in (None, *NOT_SERVED) for each in steps) if steps else None
