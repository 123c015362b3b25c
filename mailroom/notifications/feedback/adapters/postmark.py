"""Postmark's webhooks. They have no signature: the URL has a password, or the call a header that only Postmark knows.

https://postmarkapp.com/developer/webhooks/webhooks-overview
https://postmarkapp.com/developer/api/bounce-api#bounce-types
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mailroom.notifications.feedback.adapters.adapter import (
    POLICY,
    Call,
    Event,
    SharedSecret,
    Unverified,
    is_among,
    json_of,
    member,
    text_of,
    time_of,
)
from mailroom.notifications.feedback.tokens import PROVIDER_FIELD
from mailroom.notifications.model.reports import Delivery, code_after_reply

TOKEN_HEADER = "x-mailroom-token"  # noqa: S105

# A bounce's type, and whether the address takes no mail for good. Other types are no bounces: Postmark tries again
# (Transient), somebody answered (AutoResponder), or Postmark itself did not send it (ManuallyDeactivated).
_BOUNCES = {
    "HardBounce": True,
    "BadEmailAddress": True,
    "SoftBounce": False,
    "DnsError": False,
    "Blocked": False,
    "DMARCPolicy": False,
    "SpamNotification": False,
    "VirusNotification": False,
}
_POLICY_BOUNCES = ("Blocked", "DMARCPolicy", "SpamNotification", "VirusNotification")


class Postmark:
    """`secret` is the password in the webhook's URL, or the value of its header X-Mailroom-Token."""

    def __init__(self, secret: SharedSecret) -> None:
        self._secret = secret

    def events(self, call: Call, now: datetime) -> Sequence[Event]:
        given = call.headers.get(TOKEN_HEADER, "") or _password(call.headers.get("authorization", ""))
        if not is_among(given, self._secret.all()):
            raise Unverified("its password is wrong")
        event = _event(json_of(call.body))
        return [event] if event else []


def _password(authorization: str) -> str:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _event(found: Any) -> Event | None:
    kind, bounce = text_of(found, "RecordType"), text_of(found, "Type")
    message, text = text_of(found, "MessageID"), text_of(found, "Details") or text_of(found, "Description")
    id_ = member(found, "ID")
    match kind:
        case "Delivery":
            recipient, delivery, at, id_ = "Recipient", Delivery.DELIVERED, "DeliveredAt", f"{message}:delivery"
        case "SpamComplaint":
            recipient, delivery, at = "Email", Delivery.COMPLAINED, "BouncedAt"
        case "Bounce" if bounce in _BOUNCES:
            recipient, delivery, at = "Email", Delivery.BOUNCED, "BouncedAt"
        case _:
            return None
    return Event(
        id=f"postmark:{id_}:{text_of(found, recipient)}",
        recipient=text_of(found, recipient),
        delivery=delivery,
        tokens=[text_of(found, "Metadata", PROVIDER_FIELD)],
        permanent=_BOUNCES.get(bounce, False),
        code=code_after_reply(text) or (POLICY if bounce in _POLICY_BOUNCES else ""),
        text=text,
        at=time_of(text_of(found, at)),
    )
