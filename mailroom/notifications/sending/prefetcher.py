"""What a drain sends: due messages, claimed some at a time, a little ahead of the deliveries."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence

import msgspec
from pymongo.errors import PyMongoError

from mailroom.notifications.model.messages import Recipient, RecipientStatus
from mailroom.notifications.outbox import documents
from mailroom.notifications.outbox.claims import ClaimedMessage, MessageRef
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.outbox.suppressions import Suppressions

log = logging.getLogger(__name__)

# Due messages found by one query: more each time that all were used up before they were stale, to ask a deep queue
# less often.
_LEAST_LOOKED_UP, _MOST_LOOKED_UP = 100, 800

# A claim that is used up so soon is followed by one of twice as many messages.
_SOON_SECONDS = 0.5

# What was found to be due is looked up again after this time: messages of a higher priority may have come.
_STALE_SECONDS = 1.0


class Delivery(msgspec.Struct, frozen=True):
    """A claimed message, the recipients as they stand, and which of their addresses on the wire are suppressed."""

    claim: ClaimedMessage
    recipients: tuple[Recipient, ...]
    suppressed: frozenset[str]


def jobs(claims: Sequence[ClaimedMessage], suppressions: Suppressions) -> list[Delivery]:
    """Blocks for one answer of MongoDB, however many there are."""
    recipients = [documents.to_recipients(claim.document["recipients"]) for claim in claims]
    suppressed = suppressions.among(
        recipient for each in recipients for recipient in each if recipient.status is RecipientStatus.PENDING
    )
    return [Delivery(claim, each, suppressed) for claim, each in zip(claims, recipients, strict=True)]


class Prefetcher:
    """Gives one claimed message after the other. `size` is how many are claimed at once, up to `most` where they are
    used up soon.

    While half of them is still to be given out, the next are claimed. Those that had to wait for `patience` seconds are
    put back, so that none is begun whose lease is nearly over. Used by one task.
    """

    def __init__(self, outbox: Outbox, suppressions: Suppressions, size: int, most: int, patience: float) -> None:
        self._outbox = outbox
        self._suppressions = suppressions
        self._size = size
        self._most = most
        self._claimed_at = -_SOON_SECONDS
        self._patience = patience
        self._ready: deque[tuple[float, Delivery]] = deque()
        self._ahead: asyncio.Task[list[Delivery]] | None = None
        self._looked_up = _LEAST_LOOKED_UP // 2
        self._found: list[MessageRef] = []
        self._found_at = 0.0

    async def next(self) -> Delivery | None:
        """None when nothing is due. Raises what the driver does."""
        if self._ready and time.monotonic() - self._ready[0][0] > self._patience:
            await self.give_back()
        if not self._ready:
            await self._take()
        elif self._ahead is None and len(self._ready) <= self._size // 2:
            self._ahead = asyncio.create_task(asyncio.to_thread(self._claim))
        return self._ready.popleft()[1] if self._ready else None

    async def give_back(self) -> None:
        """Puts back what was claimed and not given out."""
        try:
            if self._ahead is not None:
                await self._take()
            unused = [job.claim.group for _, job in self._ready]
            self._ready.clear()
            # The others are released when what is in delivery of them is done with.
            if groups := [group for group in unused if group.done()]:
                await asyncio.to_thread(self._outbox.release, groups)
        except PyMongoError as error:
            log.warning("MongoDB does not answer, what was claimed waits for its lease to end", exc_info=error)

    async def _take(self) -> None:
        now = time.monotonic()
        ahead, self._ahead = self._ahead, None
        claimed = await (ahead or asyncio.to_thread(self._claim))
        self._ready.extend((now, job) for job in claimed)

    def _claim(self) -> list[Delivery]:
        """Claims the next that are due. Empty only when none is."""
        before, self._claimed_at = self._claimed_at, time.monotonic()
        if self._claimed_at - before < _SOON_SECONDS:
            self._size = min(2 * self._size, self._most)
        while found := self._due():
            chosen, self._found = found[: self._size], found[self._size :]
            if claims := self._outbox.claim(chosen):
                return jobs(claims, self._suppressions)
        return []

    def _due(self) -> list[MessageRef]:
        stale = time.monotonic() - self._found_at > _STALE_SECONDS
        if self._found and not stale:
            return self._found
        self._looked_up = min(2 * self._looked_up, _MOST_LOOKED_UP) if not self._found else _LEAST_LOOKED_UP
        self._found_at = time.monotonic()
        self._found = self._outbox.due(self._looked_up)
        return self._found
