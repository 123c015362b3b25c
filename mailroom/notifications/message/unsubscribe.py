"""Links to unsubscribe from a topic (RFC 8058). A link says by itself whom it unsubscribes: it needs no message."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from bson import ObjectId

from mailroom.errors import Invalid
from mailroom.platform.signing import Signer

PATH = "/function/notifications/unsubscribe/"
HEADER, POST_HEADER = "List-Unsubscribe", "List-Unsubscribe-Post"
POST_VALUE = "One-Click"  # a program that unsubscribes sends the form List-Unsubscribe=One-Click

_PURPOSE = "unsubscribe"
_ID_BYTES = 12


class Subscription(NamedTuple):
    """What a link ends. `message` is the message that had the link."""

    address: str
    topic: str
    message: ObjectId


class UnsubscribeLinks:
    """`public_url` is the setting PUBLIC_URL. A link never expires, as long as the secret has the key."""

    def __init__(self, signer: Signer, public_url: str) -> None:
        self._signer = signer
        self._public_url = public_url.rstrip("/")

    def require(self) -> None:
        """Raises `Invalid` if no links can be made."""
        if not self._public_url or not self._signer.available:
            detail = "unsubscribe needs the setting PUBLIC_URL and the secret mailroom-signing-key"
            raise Invalid("unsubscribe", "unsubscribe.not_set_up", detail)

    def make(self, subscription: Subscription) -> str:
        """The link.

        Raises:
            MissingSecret: there is no key.
        """
        address, topic, message = subscription
        payload = message.binary + f"{topic}\0{address}".encode()
        return self._public_url + PATH + self._signer.sign(_PURPOSE, payload, None)

    def read(self, token: str, now: datetime) -> Subscription | None:
        """What the token of a link ends, or None if we did not make the token."""
        payload = self._signer.verify(_PURPOSE, token, now)
        if payload is None:
            return None
        topic, _, address = payload[_ID_BYTES:].decode().partition("\0")
        return Subscription(address, topic, ObjectId(payload[:_ID_BYTES]))
