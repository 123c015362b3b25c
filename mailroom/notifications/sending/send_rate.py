"""How many messages a second may go to the relay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


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
