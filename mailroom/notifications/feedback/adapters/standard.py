"""A relay of your own, or a provider without an adapter: a form of ours, signed after Standard Webhooks.

    {"type": "bounced", "timestamp": "2024-05-06T07:08:09Z",
     "data": {"message": "65b9…", "recipient": "ada@example.com", "code": "5.1.1", "text": "…"}}

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime

from mailroom.notifications.feedback.adapters.adapter import (
    Call,
    Event,
    SharedSecret,
    Unverified,
    check_time,
    is_among,
    json_of,
    member,
    text_of,
    time_of,
    unix_time,
)
from mailroom.notifications.model.reports import Delivery, is_gone
from mailroom.webhooks import signature

_LONGEST_ID = 200  # characters
_SHORTEST_KEY = 16  # bytes


class StandardWebhooks:
    """`secret` is `whsec_` and the key in Base64."""

    def __init__(self, secret: SharedSecret) -> None:
        self._secret = secret

    def events(self, call: Call, now: datetime) -> Sequence[Event]:
        id_, time = call.headers.get("webhook-id", ""), call.headers.get("webhook-timestamp", "")
        keys = [_key(secret) for secret in self._secret.all()]
        if not id_ or len(id_) > _LONGEST_ID:
            raise Unverified("its webhook-id is missing or too long")
        given = [each.partition(",") for each in call.headers.get("webhook-signature", "").split()]
        wanted = [signature.sign(key, id_, time, call.body) for key in keys]
        if not any(version == "v1" and is_among(text, wanted) for version, _, text in given):
            raise Unverified("its signature is wrong")
        check_time(unix_time(time), now)
        return _events(id_, call.body)


def _key(secret: str) -> bytes:
    text = secret.removeprefix(signature.PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if len(key) < _SHORTEST_KEY:
        raise Unverified(f"our secret is not whsec_ and Base64 of at least {_SHORTEST_KEY} bytes")
    return key


def _events(id_: str, body: bytes) -> list[Event]:
    found = json_of(body)
    kind = text_of(found, "type").removeprefix("notification.")
    if kind not in list(Delivery):
        return []
    data = member(found, "data")
    recipient = text_of(data, "recipient")
    message, code = text_of(data, "message"), text_of(data, "code")
    return [
        Event(
            id=f"generic:{id_}:{recipient}",
            recipient=recipient,
            delivery=Delivery(kind),
            message=message,
            tokens=[message],
            message_ids=[message],
            permanent=member(data, "permanent") is True or is_gone(code),
            code=code,
            text=text_of(data, "text"),
            at=time_of(text_of(found, "timestamp")),
        )
    ]
