"""When to try a message or a webhook again, and when to give it up."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import msgspec


class Retries(msgspec.Struct, frozen=True):
    """Exponential backoff with jitter. Seconds. What is older than `give_up` is given up.

    The wait before attempt n+1 is between half and all of `first * 2**(n-1)`, which is at most `longest`. Half of it is
    fixed, because RFC 5321 asks for a pause and full jitter could be none. The other half is random, so that a thousand
    messages deferred by one outage do not come back at the same moment.
    """

    first: float
    longest: float
    give_up: float
    random: Callable[[], float] = random.random

    def wait(self, attempts: int, at_most: float = math.inf) -> float:
        """Seconds until the next attempt, after `attempts` of them."""
        whole = min(self.longest, at_most, self.first * 2.0 ** min(attempts - 1, 40))
        return whole * (0.5 + 0.5 * self.random())
