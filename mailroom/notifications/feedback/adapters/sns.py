"""Amazon SNS over HTTPS: checks a message's signature and its topic, and confirms the subscription.

Anybody can have SNS sign a message: the signature shows that it comes from SNS, the topic from whom. SNS repeats a
message for hours with the time of its publication, so that time may be old; a repeat has the same events, which change
nothing.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from mailroom.notifications.feedback.adapters.adapter import (
    Call,
    Unverified,
    check_time,
    json_of,
    text_of,
    time_of,
)
from mailroom.notifications.feedback.adapters.sns_urls import is_subscribe_url

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

log = logging.getLogger(__name__)

# SNS tries for six hours, and longer with a policy and a dead-letter queue of one's own.
OLDEST = timedelta(days=1)

_LONGEST_TOPIC = 300  # characters of an ARN in the log

# The members that are signed, in this order; those that are missing are left out.
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}


class SnsMessage(msgspec.Struct, frozen=True):
    """A message of one of our topics."""

    id: str
    message: str


class Sns:
    """`topics` are the ARNs that we believe. `subscribe` calls the URL that confirms a subscription.

    `key_of` gives the public key of the certificate at a URL. It raises `Unverified`, or `Busy` or `Unavailable`.
    """

    def __init__(
        self,
        topics: Collection[str],
        key_of: Callable[[str, datetime], RSAPublicKey],
        subscribe: Callable[[str], object],
    ) -> None:
        self._topics = frozenset(topics)
        self._key_of = key_of
        self._subscribe = subscribe

    def notification(self, call: Call, now: datetime) -> SnsMessage | None:
        """The message; None for a message about the subscription. It confirms a subscription of our topic.

        Raises:
            Unverified: the message is not of SNS, not of our topics, or too old.
            Busy, Unavailable: the certificate cannot be had now, or the subscription cannot be confirmed.
        """
        found = json_of(call.body)
        kind, topic = text_of(found, "Type"), text_of(found, "TopicArn")
        if topic not in self._topics:  # before anything is fetched
            raise Unverified(f"its topic is not in SES_TOPICS: {topic[:_LONGEST_TOPIC]!r}")
        if kind not in _SIGNED:
            raise Unverified("it is no message of SNS with a signature")
        time = time_of(text_of(found, "Timestamp"))
        if time is None:
            raise Unverified("it has no time")
        check_time(time, now, OLDEST)
        self._verify(found, _SIGNED[kind], now)
        if kind == "Notification":
            return SnsMessage(text_of(found, "MessageId"), text_of(found, "Message"))
        self._subscription_changed(kind, topic, text_of(found, "SubscribeURL"))
        return None

    def _verify(self, found: Any, names: tuple[str, ...], now: datetime) -> None:
        from cryptography.exceptions import InvalidSignature  # takes 40 ms, so only where SES reports
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        version = text_of(found, "SignatureVersion")
        # Version 1 is what SNS uses unless a topic is set to 2.
        algorithm = {"1": hashes.SHA1, "2": hashes.SHA256}.get(version)
        if algorithm is None:
            raise Unverified("its signature is of a version that we do not know")
        try:
            signature = base64.b64decode(text_of(found, "Signature"), validate=True)
        except ValueError:
            raise Unverified("its signature is no Base64") from None
        key = self._key_of(text_of(found, "SigningCertURL"), now)
        try:
            key.verify(signature, _signed(found, names), PKCS1v15(), algorithm())
        except InvalidSignature:
            raise Unverified("its signature is wrong") from None

    def _subscription_changed(self, kind: str, topic: str, url: str) -> None:
        if kind == "UnsubscribeConfirmation":
            log.warning("the subscription of an SNS topic ended: no more reports come", extra={"topic": topic})
            return
        if not is_subscribe_url(url):
            raise Unverified("its SubscribeURL is none of SNS")
        self._subscribe(url)
        log.info("the subscription of an SNS topic is confirmed", extra={"topic": topic})


def _signed(found: Any, names: tuple[str, ...]) -> bytes:
    lines = [f"{name}\n{found[name]}\n" for name in names if isinstance(found.get(name), str)]
    return "".join(lines).encode("utf-8", "replace")
