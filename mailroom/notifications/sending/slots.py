"""Slots: how many messages are in delivery at once, and how often a new delivery may begin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mailroom.platform.clock import Budget


class SendRate:
    """At most `per_second` messages, evenly spaced, in the order they ask. 0 allows any number.

    Used from one event loop only.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._between = 1.0 / per_second if per_second else 0.0
        self._clock = clock
        self._next = clock()

    async def acquire(self, seconds: float) -> bool:
        """Waits until the next message may go. Returns False at once if that takes longer than `seconds`."""
        if not self._between:
            return True
        now = self._clock()
        mine = max(now, self._next)
        if mine - now > max(0.0, seconds):
            return False
        self._next = mine + self._between
        await asyncio.sleep(mine - now)
        return True

    def give_back(self) -> None:
        """Lets the next message go earlier, because an acquired one was not sent."""
        self._next -= self._between


class Slots:
    """One slot for each connection. Used from one event loop only."""

    def __init__(self, connections: int, rate: SendRate) -> None:
        self._free = asyncio.Semaphore(connections)
        self._rate = rate

    async def acquire(self, seconds: float) -> bool:
        """Waits up to `seconds` for a free slot and for the send rate. Returns False if the time is too short."""
        budget = Budget(seconds)
        if self._free.locked():
            try:
                async with asyncio.timeout(max(0.0, seconds)):
                    await self._free.acquire()
            except TimeoutError:
                return False
        else:
            await self._free.acquire()
        if not await self._rate.acquire(budget.remaining()):
            self._free.release()
            return False
        return True

    def release(self) -> None:
        """Frees the slot of a delivery that has ended."""
        self._free.release()

    def release_unused(self) -> None:
        """Frees a slot in which no delivery was begun."""
        self._rate.give_back()
        self._free.release()
