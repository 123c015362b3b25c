"""How a deployment wants its mail to be sent."""

from __future__ import annotations

from dataclasses import dataclass

from mailroom.notifications.retries import Retries


@dataclass(frozen=True)
class Policy:
    """`connections` is how many messages are in delivery at once, `per_second` how many are begun in a second (0: any
    number); `hold`: an unknown outcome waits for a person."""

    connections: int
    per_second: float
    retries: Retries
    hold: bool
    lease_seconds: float
