"""A key for tests: its messages are stored and shown, and handed to nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId

from mailroom.webhooks import announcements
from mailroom.webhooks.announcements import ANNOUNCEMENTS
from mailroom.webhooks.model import EventType
from mailroom.webhooks.payloads import payload
from tests.integration.notifications.conftest import Client, Mail
from tests.integration.notifications.relay import Relay, reply

HELLO = {"emailTo": "anna@example.com", "subject": "Hello", "message": "<p>x</p>"}


@pytest.fixture
def tester(mail: Mail) -> Client:
    key = mail.services.keys.create("tester", ["notifications:test", "notifications:read"])
    return Client(mail.client.app, key.text)


def test_a_message_of_a_test_key_is_stored_and_handed_to_nobody(mail: Mail, tester: Client, relay: Relay) -> None:
    answer = tester.post(HELLO)

    assert (answer.status, answer.body["status"], answer.body["test"]) == (200, "sent", True)
    assert "test" in answer.body["message"]
    assert relay.connections == 0
    shown = tester.get(f"/{answer.body['id']}").body
    assert (shown["status"], shown["test"], shown["html"]) == ("sent", True, "<p>x</p>")
    assert shown["recipients"][0]["status"] == "sent"
    assert "nobody" in shown["recipients"][0]["text"]
    assert mail.client.get().body["items"][0]["test"] is True


def test_every_way_of_sending_hands_a_test_message_to_nobody(mail: Mail, tester: Client, relay: Relay) -> None:
    waiting = tester.post(HELLO, Prefer="respond-async").body
    batch = tester.post({"messages": [HELLO, HELLO]}, "/batch").body
    assert [each["test"] for each in (waiting, *batch["items"])] == [True] * 3
    mail.drain()

    assert mail.states() == ["sent"] * 3
    assert tester.post(None, f"/{waiting['id']}/resend").status == 202
    mail.drain()
    assert mail.client.post(None, f"/{waiting['id']}/resend").status == 202
    mail.drain()

    assert mail.states() == ["sent"] * 3
    assert relay.connections == 0


def test_a_test_key_changes_no_other_messages(mail: Mail, tester: Client, relay: Relay) -> None:
    real = mail.client.post(HELLO, Prefer="respond-async").body["id"]
    own = tester.post(HELLO, Prefer="respond-async").body["id"]

    for action in ("cancel", "resend"):
        refused = tester.post(None, f"/{real}/{action}")
        assert (refused.status, refused.body["code"]) == (403, "auth.scope")
    assert tester.post(None, f"/{own}/cancel").body["status"] == "cancelled"
    assert tester.post({"address": "anna@example.com"}, "/suppressions").status == 403
    mail.drain()

    assert len(relay.taken) == 1


def test_a_key_that_may_send_sends(mail: Mail, relay: Relay) -> None:
    key = mail.services.keys.create("both", ["notifications:test", "notifications:send"])

    answer = Client(mail.client.app, key.text).post(HELLO)

    assert answer.body["status"] == "sent"
    assert "test" not in answer.body
    assert len(relay.taken) == 1
    assert mail.client.get(f"/{answer.body['id']}").body["test"] is False


def test_a_test_message_is_checked_and_suppressed_like_any_other(mail: Mail, tester: Client) -> None:
    mail.client.post({"address": "anna@example.com"}, "/suppressions")

    refused = tester.post(HELLO)

    assert (refused.status, refused.body["state"]) == (422, "suppressed")
    assert tester.post(HELLO | {"subject": "a\nb"}).body["field"] == "subject"


def test_test_messages_are_listed_alone(mail: Mail, tester: Client) -> None:
    mail.client.post(HELLO)
    ids = [tester.post(HELLO).body["id"] for _ in range(3)]
    mail.client.post(HELLO)

    page = mail.client.get(test="true", limit="2").body
    rest = mail.client.get(test="true", limit="2", cursor=page["nextCursor"]).body

    assert [each["id"] for each in page["items"] + rest["items"]] == ids[::-1]
    assert rest["nextCursor"] is None
    for wrong in ({"test": "false"}, {"test": "true", "status": "sent"}, {"test": "true", "tag": "t"}):
        refused = mail.client.get(**wrong)
        assert (refused.status, refused.body["field"]) == (422, "test")


def test_webhooks_are_told_that_a_message_is_a_test(
    mail: Mail, tester: Client, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "CACHE_SECONDS", -1.0)
    events = [EventType.NOTIFICATION_SENT, EventType.NOTIFICATION_BOUNCED]
    mail.services.database["webhooks"].insert_one({"events": events, "enabled": True})
    to = HELLO | {"emailTo": "bounced@simulator.mailroom"}

    told = {}
    for client in (tester, mail.client):
        message = mail.collection.find_one({"_id": ObjectId(client.post(to).body["id"])})
        assert message is not None
        payloads = [json.loads(payload("notifications", message, each)) for each in message[ANNOUNCEMENTS]]
        told[client.key] = {each["type"]: each["data"].get("test", False) for each in payloads}

    assert told[tester.key] == dict.fromkeys(events, True)
    assert told[mail.client.key] == dict.fromkeys(events, False)


def test_a_report_about_a_test_message_changes_nothing(mail: Mail, tester: Client) -> None:
    """It never went to that address."""
    message = tester.post(HELLO).body["id"]

    report = {"address": "anna@example.com", "delivery": "bounced", "code": "5.1.1"}
    refused = mail.client.post(report, f"/{message}/delivery")

    assert (refused.status, refused.body["code"]) == (422, "delivery.not_a_recipient")
    assert mail.client.get("/suppressions").body["items"] == []


def test_a_relay_that_is_down_holds_no_test_message_up(make_mail: Callable[..., Any], relay: Relay) -> None:
    mail: Mail = make_mail(smtp_port=1)
    key = mail.services.keys.create("tester", ["notifications:test"])
    relay.on("mail", reply("421 no"))

    assert Client(mail.client.app, key.text).post(HELLO).body["status"] == "sent"
