"""How a deployment sends its mail."""

from __future__ import annotations

import msgspec

from mailroom.notifications.outbox.retries import Retries


class SendPolicy(msgspec.Struct, frozen=True):
    """`connections` is how many messages are in delivery at once, `per_second` how many begin in a second (0: any
    number). With `hold`, a message whose outcome is unknown waits for a person.
    """

    connections: int
    per_second: float
    retries: Retries
    hold: bool
    lease_seconds: float
