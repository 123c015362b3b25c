"""Every adapter: without its secret it believes nobody, and no form of an event breaks it."""

from __future__ import annotations

from typing import Any

import pytest

from mailroom.notifications.feedback.adapters.adapter import Call
from mailroom.notifications.feedback.adapters.postmark import Postmark
from mailroom.notifications.feedback.adapters.standard import StandardWebhooks
from tests.support import provider_calls as calls
from tests.unit.notifications.adapters.events import (
    KEYS,
    NOW,
    mailgun,
    of_generic,
    of_mailgun,
    of_postmark,
    of_ses,
    refuses,
    secret,
    ses,
)


@pytest.mark.parametrize("text", ["", " \n\n "])
def test_an_adapter_without_its_secret_believes_nobody(text: str):
    empty = secret(text)
    assert refuses(Postmark(empty), calls.postmark({}, "")) == "its secret is missing"
    assert refuses(mailgun(empty), calls.mailgun("", {})) == "its secret is missing"
    assert refuses(StandardWebhooks(empty), Call({"webhook-id": "x"}, b"")) == "its secret is missing"
    for weak in ("whsec_", "whsec_é", "whsec_?", "whsec_AAAA"):
        assert "our secret" in refuses(StandardWebhooks(secret(weak)), calls.generic({}, KEYS[0]))


HOSTILE: list[Any] = [None, 7, "x", [], [[]], {}, {"x": 1}, True, 1e308, "\x00", "é" * 1000]


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_no_form_of_a_believed_event_breaks_an_adapter(value: Any):
    for kind, name in (
        ("Bounce", "bouncedRecipients"),
        ("Complaint", "complainedRecipients"),
        ("Delivery", "recipients"),
    ):
        for details in ({name: value}, {name: [value]}, {name: [{"emailAddress": value, "status": value}]}):
            of_ses(kind, details, headers=value, tags=value, commonHeaders=value, source=value)
            of_ses(kind, details, headers=[{"name": value, "value": value}], tags={"mailroom-message": value})
        list(ses().events(calls.sns({"eventType": kind, kind.lower(): value, "mail": value}), NOW))
    for event in ("delivered", "complained", "failed"):
        of_mailgun(event, severity="permanent", recipient=value, message=value, timestamp=value, id=value)
        of_mailgun(event, severity="permanent", **{"delivery-status": value, "user-variables": value, "reason": value})
    list(mailgun().events(calls.mailgun(KEYS[0], value), NOW))
    for kind in ("Bounce", "Delivery", "SpamComplaint"):
        of_postmark(RecordType=kind, Type="HardBounce", ID=value, Email=value, Recipient=value, Metadata=value)
        of_postmark(RecordType=kind, Type=value, Details=value, BouncedAt=value, DeliveredAt=value)
    of_generic({"type": "bounced", "data": value, "timestamp": value})
    of_generic({"type": "bounced", "data": dict.fromkeys(("message", "recipient", "code", "text", "permanent"), value)})
