"""A message that is ready to be sent."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mailroom.notifications.model.messages import Recipient, RecipientStatus
from mailroom.notifications.outbox.claims import ClaimedMessage
from mailroom.notifications.outbox.suppressions import Suppressions


class Delivery(msgspec.Struct, frozen=True):
    """A claimed message, its recipients with their status, and which of their wire addresses are suppressed."""

    message: ClaimedMessage
    recipients: tuple[Recipient, ...]
    suppressed: frozenset[str]


def prepare(messages: Sequence[ClaimedMessage], suppressions: Suppressions) -> list[Delivery]:
    """A delivery for each message. One query, however many there are."""
    recipients = [msgspec.convert(each.document["recipients"], tuple[Recipient, ...]) for each in messages]
    suppressed = suppressions.among(
        recipient for each in recipients for recipient in each if recipient.status is RecipientStatus.PENDING
    )
    return [Delivery(message, each, suppressed) for message, each in zip(messages, recipients, strict=True)]
