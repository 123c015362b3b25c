"""When a message is tried again, and when it is given up."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

# A relay that does not answer is no verdict on the message: once it is back, the mail should not wait for hours.
RELAY_DOWN_LONGEST = 300.0


class Retries(msgspec.Struct, frozen=True):
    """Exponential backoff with jitter. Seconds.

    The wait before attempt n+1 lies between half and the whole of `first * 2**(n-1)`, at most `longest`. Half of it is
    certain, since RFC 5321 wants a pause and full jitter could be none; the rest is random, so that a thousand
    messages that one outage deferred do not come back in one instant.
    """

    first: float
    longest: float
    give_up: float
    random: Callable[[], float] = random.random

    def wait(self, attempts: int, *, relay_down: bool = False) -> float:
        """Seconds until the next attempt, after `attempts` of them."""
        longest = min(self.longest, RELAY_DOWN_LONGEST) if relay_down else self.longest
        whole = min(longest, self.first * 2.0 ** min(attempts - 1, 40))
        return whole * (0.5 + 0.5 * self.random())

    def exhausted(self, age: float) -> bool:
        """Whether a message this old, in seconds since it was due first, is given up."""
        return age >= self.give_up
