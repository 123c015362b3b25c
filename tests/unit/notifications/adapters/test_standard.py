"""The generic form, signed after Standard Webhooks."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from mailroom.notifications.feedback.adapters.adapter import Call
from mailroom.notifications.feedback.adapters.standard import StandardWebhooks
from mailroom.notifications.model.reports import Delivery
from tests.support import provider_calls as calls
from tests.unit.notifications.adapters.events import KEYS, NOW, of_generic, refuses, secret


def test_the_generic_form_is_signed_after_standard_webhooks():
    [event] = of_generic(
        {
            "type": "bounced",
            "timestamp": "2024-05-06T07:08:09+02:00",
            "data": {"message": "a" * 24, "recipient": "ada@example.com", "permanent": True,
                     "code": "5.2.1", "text": "closed"},
        }
    )  # fmt: skip
    assert (event.id, event.recipient) == ("generic:msg_1:ada@example.com", "ada@example.com")
    assert (event.delivery, event.permanent, event.code, event.text) == (Delivery.BOUNCED, True, "5.2.1", "closed")
    assert event.at == datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC)
    assert event.message == "a" * 24
    for body in ({"type": "opened", "data": {}}, {"type": 7}, [], "null", "x"):
        assert of_generic(body) == []


def test_the_generic_form_is_believed_for_its_signature_and_its_time_only():
    adapter, body = StandardWebhooks(secret()), {"type": "delivered", "data": {}}
    good = calls.generic(body, KEYS[0])
    assert adapter.events(good, NOW)
    assert adapter.events(calls.generic(body, KEYS[1]), NOW)  # the key of before
    two = {"webhook-signature": "v1,x v2,y " + good.headers["webhook-signature"]}
    assert adapter.events(Call({**good.headers, **two}, good.body), NOW)

    other = "whsec_" + base64.b64encode(b"x" * 24).decode()
    assert refuses(adapter, calls.generic(body, other)) == "its signature is wrong"
    assert refuses(adapter, Call(good.headers, good.body + b" ")) == "its signature is wrong"
    for name, value in (("webhook-id", "msg_2"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,")):
        assert refuses(adapter, Call({**good.headers, name: value}, good.body)) == "its signature is wrong"
        refuses(adapter, Call({key: each for key, each in good.headers.items() if key != name}, good.body))
    unversioned = {"webhook-signature": good.headers["webhook-signature"].replace("v1,", "v1a,")}
    assert refuses(adapter, Call({**good.headers, **unversioned}, good.body)) == "its signature is wrong"
    for minutes in (-6, 6):
        late = calls.generic(body, KEYS[0], now=NOW + timedelta(minutes=minutes))
        assert refuses(adapter, late).startswith("its time is ")
