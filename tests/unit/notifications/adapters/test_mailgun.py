"""What Mailgun says, and when it is believed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from mailroom.notifications.feedback.adapters.adapter import TOLERANCE, Call
from mailroom.notifications.feedback.adapters.mailgun import OLDEST
from mailroom.notifications.indexes import TOKENS_KEPT_SECONDS
from mailroom.notifications.model.reports import Delivery
from tests.support import provider_calls as calls
from tests.unit.notifications.adapters.events import KEYS, NOW, mailgun, of_mailgun, refuses


def test_mailgun_tells_of_a_bounce():
    status = {"code": 550, "enhanced-code": "5.1.1", "message": "5.1.1 user unknown", "bounce-type": "hard"}
    [event] = of_mailgun("failed", severity="permanent", reason="bounce", **{"delivery-status": status})
    assert (event.id, event.recipient) == ("mailgun:G9Bn5sl1TC6nu79C8C0bwg:ada@example.com", "ada@example.com")
    assert (event.delivery, event.permanent, event.code) == (Delivery.BOUNCED, True, "5.1.1")
    assert event.text == "5.1.1 user unknown"
    assert event.at is not None
    assert event.at.timestamp() == pytest.approx(1521233195.375624)
    assert event.message_ids == ["20130503182626.18666.16540@ours.example.com"]


@pytest.mark.parametrize(
    ("reason", "status", "permanent", "code"),
    [
        ("suppress-bounce", {"code": 605, "description": "Not delivering to previously bounced address"}, True, ""),
        (
            "suppress-unsubscribe",
            {"code": 606, "description": "Not delivering to unsubscribed address"},
            False,
            "5.7.0",
        ),
        ("generic", {"code": 550, "message": "550 5.7.1 blocked", "bounce-type": "soft"}, False, "5.7.1"),
        ("generic", {"code": 498, "message": "No MX for nowhere.example"}, False, ""),
        ("old", None, False, ""),
    ],
)
def test_mailgun_says_whether_a_bounce_is_permanent(reason: str, status: Any, permanent: bool, code: str):
    [event] = of_mailgun("failed", severity="permanent", reason=reason, **{"delivery-status": status})
    assert (event.permanent, event.code) == (permanent, code)


def test_mailgun_tells_of_deliveries_and_complaints():
    [event] = of_mailgun("delivered", **{"user-variables": {"mailroom-message": "token"}})
    assert (event.delivery, event.tokens) == (Delivery.DELIVERED, ["token"])
    [event] = of_mailgun("complained", **{"user-variables": []})
    assert (event.delivery, event.tokens) == (Delivery.COMPLAINED, [""])


def test_what_mailgun_says_of_other_things_is_left_out():
    assert of_mailgun("failed", severity="temporary") == []
    for event in ("accepted", "opened", "clicked", "unsubscribed", "stored", "x"):
        assert of_mailgun(event) == []


def test_mailgun_is_believed_for_its_key_its_time_and_its_token_only():
    data = calls.mailgun_event("delivered")
    assert refuses(mailgun(), calls.mailgun("other", data)) == "its signature is wrong"
    for minutes in (-51, 6):
        late = calls.mailgun(KEYS[0], data, now=NOW + timedelta(minutes=minutes))
        assert refuses(mailgun(), late).startswith("its time is ")
    assert mailgun().events(calls.mailgun(KEYS[1], data, now=NOW - timedelta(minutes=49)), NOW)  # the key of before
    assert timedelta(seconds=TOKENS_KEPT_SECONDS) > OLDEST + TOLERANCE  # else a token could be used twice

    number = json.loads(calls.mailgun(KEYS[0], data).body)
    number["signature"]["timestamp"] = int(number["signature"]["timestamp"])
    assert mailgun().events(Call({}, json.dumps(number).encode()), NOW)

    adapter = mailgun()
    first = calls.mailgun(KEYS[0], data)
    assert adapter.events(first, NOW)
    assert adapter.events(first, NOW)  # Mailgun got no answer and sends it again
    signed = json.loads(first.body)
    signed["event-data"]["recipient"] = "eve@example.com"  # the signature does not cover it
    assert "another body" in refuses(adapter, Call({}, json.dumps(signed).encode()))


@pytest.mark.parametrize(
    "signature",
    [
        None,
        [],
        {},
        {"timestamp": 1, "token": "x", "signature": "x"},
        {"timestamp": "1", "token": "", "signature": "é"},
    ],
)
def test_a_body_without_a_signature_of_mailgun_is_refused(signature: Any):
    body = json.dumps({"signature": signature, "event-data": calls.mailgun_event("delivered")}).encode()
    assert refuses(mailgun(), Call({}, body)) == "its signature is wrong"


@pytest.mark.parametrize("time", [1e300, -1e300, 10**400])
def test_a_time_that_cannot_be_is_none(time: Any):
    [event] = of_mailgun("delivered", timestamp=time)
    assert event.at is None
