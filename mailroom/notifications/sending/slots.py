"""Slots: how many messages are in delivery at once, and how often a new delivery may begin."""

from __future__ import annotations

import asyncio

from mailroom.notifications.sending.send_rate import SendRate
from mailroom.platform.clock import Budget


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
