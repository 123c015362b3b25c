"""What Postmark says, and when it is believed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from mailroom.notifications.feedback.adapters.adapter import Call
from mailroom.notifications.feedback.adapters.postmark import Postmark
from mailroom.notifications.model.reports import Delivery
from tests.support import provider_calls as calls
from tests.unit.notifications.adapters.events import NOW, of_postmark, refuses, secret


def test_postmark_tells_of_a_bounce():
    [event] = of_postmark(
        RecordType="Bounce",
        ID=4323372036854775807,
        Type="HardBounce",
        TypeCode=1,
        MessageID="883953f4-6105-42a2-a16a-77a8eac79483",
        Metadata={"mailroom-message": "token"},
        Description="The server was unable to deliver your message (ex: unknown user, mailbox not found).",
        Details="smtp;550 5.1.1 The email account that you tried to reach does not exist.",
        Email="john@example.com",
        BouncedAt="2019-11-05T16:33:54.9070259Z",
    )
    assert (event.id, event.recipient) == ("postmark:4323372036854775807:john@example.com", "john@example.com")
    assert (event.delivery, event.permanent, event.code) == (Delivery.BOUNCED, True, "5.1.1")
    assert event.text.startswith("smtp;550 5.1.1")
    assert event.at == datetime(2019, 11, 5, 16, 33, 54, 907025, tzinfo=UTC)
    assert event.tokens == ["token"]


@pytest.mark.parametrize(
    ("kind", "permanent", "code"),
    [
        ("BadEmailAddress", True, ""),
        ("SoftBounce", False, ""),
        ("DnsError", False, ""),
        ("Blocked", False, "5.7.0"),
        ("DMARCPolicy", False, "5.7.0"),
    ],
)
def test_postmark_says_whether_a_bounce_is_permanent(kind: str, permanent: bool, code: str):
    [event] = of_postmark(RecordType="Bounce", ID=1, Type=kind, Email="john@example.com")
    assert (event.delivery, event.permanent, event.code, event.at) == (Delivery.BOUNCED, permanent, code, None)


def test_postmark_tells_of_deliveries_and_complaints():
    [event] = of_postmark(
        RecordType="Delivery",
        MessageID="883953f4",
        Recipient="john@example.com",
        DeliveredAt="2019-11-05T16:33:54.9070259Z",
        Details="250 2.0.0 Ok",
    )
    assert (event.id, event.delivery) == ("postmark:883953f4:delivery:john@example.com", Delivery.DELIVERED)
    [event] = of_postmark(RecordType="SpamComplaint", ID=42, Type="SpamComplaint", Email="john@example.com")
    assert (event.id, event.delivery) == ("postmark:42:john@example.com", Delivery.COMPLAINED)


def test_what_postmark_says_of_other_things_is_left_out():
    for kind in ("Transient", "AutoResponder", "AddressChange", "ManuallyDeactivated", "Unsubscribe", "Unknown", None):
        assert of_postmark(RecordType="Bounce", ID=1, Type=kind, Email="john@example.com") == []
    for kind in ("Open", "Click", "SubscriptionChange", "Inbound", None):
        assert of_postmark(RecordType=kind, Email="john@example.com") == []


def test_postmark_is_believed_for_its_password_only():
    adapter = Postmark(secret("right\nold"))
    body = {"RecordType": "Delivery", "Recipient": "john@example.com"}
    assert adapter.events(calls.postmark(body, "right"), NOW)
    assert adapter.events(calls.postmark(body, "old"), NOW)
    assert adapter.events(Call({"x-mailroom-token": "right"}, json.dumps(body).encode()), NOW)
    for password in ("", "righ", "right\nold", "rightx", "é"):
        refuses(adapter, calls.postmark(body, password))
        refuses(adapter, Call({"x-mailroom-token": password}, b"{}"))
    for header in (
        "",
        "Basic",
        "Basic ?",
        "Basic /w==",
        "Bearer right",
        "Basic " + base64.b64encode(b"right").decode(),
    ):
        refuses(adapter, Call({"authorization": header}, b"{}"))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("smtp;550 5.7.1. Blocked", "5.7.1"),
        ("smtp;550 [5.7.1] Blocked", "5.7.1"),
        ("550-5.7.1 Blocked", "5.7.1"),
        ("550 5.7.1.2 is no code", ""),
        ("5.7.1 may be part of an address", ""),
    ],
)
def test_the_code_is_found_in_the_words_of_the_other_server(words: str, code: str):
    [event] = of_postmark(RecordType="Bounce", ID=1, Type="SoftBounce", Email="john@example.com", Details=words)
    assert event.code == code
