"""Mailgun's webhooks. The signature is in the body, and covers a time and a random token, not the event.

So a signature that somebody has read could be put on an event of theirs: a token is good for one body only.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mailroom.notifications.feedback.adapters.adapter import (
    POLICY,
    Call,
    Event,
    SharedSecret,
    Unverified,
    check_time,
    is_among,
    json_of,
    member,
    text_of,
    unix_time,
)
from mailroom.notifications.feedback.tokens import PROVIDER_FIELD
from mailroom.notifications.model.reports import Delivery, code_after_reply, is_gone

# Mailgun says that its calls may be late. A used token is known for longer: `TOKENS_KEPT_SECONDS`.
OLDEST = timedelta(minutes=50)

_LONGEST_TOKEN = 200  # characters; Mailgun's have 50

# Reasons for which Mailgun does not deliver that are not the address's fault.
_POLICY_REASONS = ("suppress-unsubscribe", "suppress-complaint", "espblock")


class Mailgun:
    """`secret` is the "HTTP webhook signing key". `is_first` says whether a token is new, or came with this body."""

    def __init__(self, secret: SharedSecret, is_first: Callable[[str, bytes], bool]) -> None:
        self._secret = secret
        self._is_first = is_first

    def events(self, call: Call, now: datetime) -> Sequence[Event]:
        keys = self._secret.all()
        found = json_of(call.body)
        time, token = member(found, "signature", "timestamp"), text_of(found, "signature", "token")
        time = time if isinstance(time, str) else str(time)  # documented as a number, sent as a text
        signed = f"{time}{token}".encode("utf-8", "replace")
        wanted = [hmac.digest(key.encode(), signed, hashlib.sha256).hex() for key in keys]
        if not token or not is_among(text_of(found, "signature", "signature"), wanted):
            raise Unverified("its signature is wrong")
        check_time(unix_time(time), now, OLDEST)
        if len(token) > _LONGEST_TOKEN or not self._is_first(f"mailgun:{token}", call.body):
            raise Unverified("its token was used before, with another body")
        event = _event(member(found, "event-data"), token)
        return [event] if event else []


def _event(data: Any, token: str) -> Event | None:
    status = member(data, "delivery-status")
    # Mailgun says the reason in `message`, and about addresses that it does not try any more in `description`.
    text = text_of(status, "message") or text_of(status, "description")
    match text_of(data, "event"), text_of(data, "severity"):
        case "delivered", _:
            delivery = Delivery.DELIVERED
        case "complained", _:
            delivery = Delivery.COMPLAINED
        case "failed", "permanent":  # a temporary failure is tried again
            delivery = Delivery.BOUNCED
        case _:
            return None
    recipient, code = text_of(data, "recipient"), text_of(status, "enhanced-code") or code_after_reply(text)
    reason = text_of(data, "reason")
    gone = text_of(status, "bounce-type") == "hard" or reason == "suppress-bounce" or is_gone(code)
    return Event(
        id=f"mailgun:{text_of(data, 'id') or token}:{recipient}",
        recipient=recipient,
        delivery=delivery,
        tokens=[text_of(data, "user-variables", PROVIDER_FIELD)],
        message_ids=[text_of(data, "message", "headers", "message-id")],
        permanent=gone,
        code=code or (POLICY if reason in _POLICY_REASONS else ""),
        text=text,
        at=_time(member(data, "timestamp")),
    )


def _time(seconds: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, (int, float)) else None
    except (ValueError, OverflowError, OSError):
        return None
