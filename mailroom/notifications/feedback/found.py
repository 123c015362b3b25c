"""What a mail reports about a recipient."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What a report says about one recipient."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DELAYED = "delayed"  # the other server is still trying
    COMPLAINED = "complained"


class Found(msgspec.Struct, frozen=True):
    """One recipient of a report.

    `recipient` is the address that the report most likely means, and "" if a complaint hides it. `others` are further
    forms of the same address in the report, such as the address that mail is forwarded to.
    `permanent`: the address takes no mail for good. `code` is an enhanced status code, or "".
    `guessed`: the address comes from a header of the returned message. It is right only if that message had no other
    recipient.
    """

    recipient: str
    outcome: Outcome
    permanent: bool = False
    code: str = ""
    text: str = ""
    others: tuple[str, ...] = ()
    guessed: bool = False


class ParsedMail(msgspec.Struct, frozen=True):
    """What a mail says. `reason` says why it reports nothing, and is "" otherwise.

    `tokens` are the texts that may be signed tokens of the message that came back. Nobody has verified them yet.
    `message_id` and `date` are those of the mail itself.
    """

    found: tuple[Found, ...] = ()
    reason: str = ""
    tokens: tuple[str, ...] = ()
    message_id: str = ""
    date: datetime | None = None
