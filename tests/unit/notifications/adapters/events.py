"""What the adapters make of a call: an event, or a refusal."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from mailroom.notifications.feedback.adapters.adapter import Adapter, Call, Event, SharedSecret, Unverified
from mailroom.notifications.feedback.adapters.mailgun import Mailgun
from mailroom.notifications.feedback.adapters.postmark import Postmark
from mailroom.notifications.feedback.adapters.ses import Ses
from mailroom.notifications.feedback.adapters.sns import Sns
from mailroom.notifications.feedback.adapters.standard import StandardWebhooks
from tests.support import provider_calls as calls

NOW = datetime.now(UTC)
KEYS = ("whsec_" + base64.b64encode(b"k" * 24).decode(), "whsec_" + base64.b64encode(b"old" * 8).decode())


class Tokens:
    """The tokens that were used, in memory."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def is_first(self, token: str, body: bytes) -> bool:
        return self.bodies.setdefault(token, body) == body


def secret(text: str = "\n".join(KEYS)) -> SharedSecret:
    return SharedSecret(lambda: text)


def ses() -> Ses:
    key = calls.rsa_key().public_key()
    return Ses(Sns([calls.TOPIC], lambda url, now: key, lambda url: None))


def mailgun(shared: SharedSecret | None = None) -> Mailgun:
    return Mailgun(shared or secret(), Tokens().is_first)


def refuses(adapter: Adapter, call: Call, now: datetime = NOW) -> str:
    with pytest.raises(Unverified) as refused:
        adapter.events(call, now)
    return str(refused.value)


def of_ses(kind: str, details: dict[str, Any], **mail: Any) -> list[Event]:
    events: list[Event] = []
    for published in (True, False):  # both forms say the same
        found = list(ses().events(calls.sns(calls.ses(kind, details, published=published, **mail)), NOW))
        assert not events or found == events
        events = found
    return events


def of_mailgun(event: str, **changed: Any) -> list[Event]:
    return list(mailgun().events(calls.mailgun(KEYS[0], calls.mailgun_event(event, **changed)), NOW))


def of_postmark(**body: Any) -> list[Event]:
    return list(Postmark(secret()).events(calls.postmark(body, KEYS[0]), NOW))


def of_generic(body: Any) -> list[Event]:
    return list(StandardWebhooks(secret()).events(calls.generic(body, KEYS[0]), NOW))
