"""What others report about a message that was handed over: delivered, bounced, complained."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from bson import ObjectId

LONGEST_TEXT = 500  # characters of a reporter's words that are kept
LONGEST_CODE = 20  # characters
LONGEST_ID = 500  # characters

# An enhanced status code (RFC 3463). After the reply code it is certain; alone it may be part of an IP address.
STATUS_CODE = r"([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)"
_AFTER_REPLY = re.compile(r"(?<![\d.])[245]\d\d[ \t-]{1,3}[(\[#]?" + STATUS_CODE)

# No such mailbox, moved without a forwarding address, a domain that takes no mail, a closed mailbox (RFC 3463, 7505).
# A bare 550 is not enough: relays also answer it to mail that they merely do not like.
_GONE = re.compile(r"5\.(1\.(1|6|10)|2\.1)\b")

# Policy and security (RFC 3463): the message or its sender was refused, whatever its address.
_POLICY = re.compile(r"[45]\.7\.")


class Delivery(StrEnum):
    """What became of the mail to one recipient after the relay took it."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


_WEIGHT = {delivery: place for place, delivery in enumerate(Delivery)}  # the later one in the class counts more


class Report(msgspec.Struct, frozen=True):
    """What a reporter says about one recipient of one message.

    `id` identifies the report for ever, so that a repeat of it changes nothing. It begins with the reporter and a
    colon: `ses:`, `imap:`, `hand:`, `simulator:`.

    `recipient` is the address that the report names. `permanent`, of a bounce: the address takes no mail for good.
    `code` is the enhanced status code such as `5.1.1`, or empty. `text` is in the reporter's words. `at` is when it
    happened, by the reporter's clock.
    """

    id: str
    message: ObjectId
    recipient: str
    delivery: Delivery
    permanent: bool = False
    code: str = ""
    text: str = ""
    at: datetime | None = None

    @property
    def is_hard(self) -> bool:
        """Whether it is a bounce for good: by its code, or without a code by the word of the reporter."""
        if self.delivery is not Delivery.BOUNCED or not self.permanent:
            return False
        return is_gone(self.code) if self.code else True

    @property
    def is_soft(self) -> bool:
        """Whether it is a bounce that counts against the address. A refusal by policy does not: see RFC 3463, X.7."""
        return self.delivery is Delivery.BOUNCED and not self.is_hard and not _POLICY.match(self.code)


def latest(reports: Iterable[Mapping[str, Any]], key: str, since: datetime) -> Mapping[str, Any] | None:
    """Of a message's stored reports, the one that counts for the recipient with this `addresses.key`.

    A complaint counts more than a bounce, a bounce more than a delivery; of equals the later one counts. If reports
    came since the message was last queued, at `since`, those before do not count.
    """
    found = [each for each in reports if each["recipient"] == key]
    found = [each for each in found if each["receivedAt"] >= since] or found
    return max(enumerate(found), key=lambda one: (_WEIGHT[one[1]["delivery"]], one[0]), default=(0, None))[1]


def worst(reports: Sequence[Mapping[str, Any]], keys: Iterable[str], since: datetime) -> Delivery | None:
    """What counts most of what counts for each recipient, by their `addresses.key`. None without a report."""
    found = (latest(reports, key, since) for key in keys) if reports else ()
    deliveries = [Delivery(each["delivery"]) for each in found if each]
    return max(deliveries, key=_WEIGHT.__getitem__, default=None)


def is_gone(code: str) -> bool:
    """Whether an enhanced status code, which may have a text after it, says that the address takes no mail for good."""
    return _GONE.match(code) is not None


def code_after_reply(text: str) -> str:
    """The first code behind a reply code in the words of a mail server: `smtp; 550 5.1.1 user unknown`. "" if none."""
    found = _AFTER_REPLY.search(text)
    return found[1] if found else ""
