"""Claims due messages a little ahead of their deliveries, several at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from pymongo.errors import PyMongoError

from mailroom.notifications.outbox.claims import ClaimedMessage, MessageRef
from mailroom.notifications.outbox.outbox import Outbox

log = logging.getLogger(__name__)

# How many due messages one query finds. It doubles each time that all were used before they were stale, so that a deep
# queue is asked less often.
_LEAST_FOUND, _MOST_FOUND = 100, 800

# After a claim that was used up so soon, the next one is for twice as many messages.
_SOON_SECONDS = 0.5

# Due messages are looked up again after this time: messages of a higher priority may have come.
_STALE_SECONDS = 1.0


class Prefetcher:
    """Gives out one claimed message after the other. Used by one task.

    `size` is how many messages it claims at once; it grows up to `most` while they are used up soon. When half of a
    claim is given out, it claims the next, and calls `will_look_again` after each. It releases messages that waited for
    longer than `patience` seconds, so that no delivery begins whose lease has nearly expired.
    """

    def __init__(
        self, outbox: Outbox, size: int, most: int, patience: float, will_look_again: Callable[[], object]
    ) -> None:
        self._outbox = outbox
        self._will_look_again = will_look_again
        self._size = size
        self._most = most
        self._claimed_at = -_SOON_SECONDS
        self._patience = patience
        self._ready: deque[tuple[float, ClaimedMessage]] = deque()
        self._ahead: asyncio.Task[list[ClaimedMessage]] | None = None
        self._found_at_once = _LEAST_FOUND // 2
        self._found: list[MessageRef] = []
        self._found_at = 0.0

    async def next(self) -> ClaimedMessage | None:
        """Returns None if nothing is due. Raises the driver's errors."""
        if self._ready and time.monotonic() - self._ready[0][0] > self._patience:
            await self.release()
        if not self._ready:
            await self._take()
        elif self._ahead is None and len(self._ready) <= self._size // 2:
            self._ahead = asyncio.create_task(asyncio.to_thread(self._claim))
        return self._ready.popleft()[1] if self._ready else None

    async def release(self) -> None:
        """Releases the messages that were claimed and not given out."""
        try:
            if self._ahead is not None:
                await self._take()
            unused = [message.claim for _, message in self._ready]
            self._ready.clear()
            # A claim with messages in delivery is released by the last of them.
            if claims := [claim for claim in unused if claim.finish_one()]:
                await asyncio.to_thread(self._outbox.release, claims)
        except PyMongoError as error:
            log.warning("MongoDB does not answer, what was claimed waits for its lease to end", exc_info=error)

    async def _take(self) -> None:
        now = time.monotonic()
        ahead, self._ahead = self._ahead, None
        claimed = await (ahead or asyncio.to_thread(self._claim))
        self._ready.extend((now, message) for message in claimed)

    def _claim(self) -> list[ClaimedMessage]:
        """Claims the next due messages. Empty only if nothing is due."""
        before, self._claimed_at = self._claimed_at, time.monotonic()
        if self._claimed_at - before < _SOON_SECONDS:
            self._size = min(2 * self._size, self._most)
        while found := self._due():
            chosen, self._found = found[: self._size], found[self._size :]
            if claimed := self._outbox.claim(chosen):
                self._will_look_again()
                return claimed
        return []

    def _due(self) -> list[MessageRef]:
        stale = time.monotonic() - self._found_at > _STALE_SECONDS
        if self._found and not stale:
            return self._found
        self._found_at_once = min(2 * self._found_at_once, _MOST_FOUND) if not self._found else _LEAST_FOUND
        self._found_at = time.monotonic()
        self._found = self._outbox.due(self._found_at_once)
        return self._found
