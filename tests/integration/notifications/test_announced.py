"""What changed messages announce to webhooks."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect, OperationFailure

from mailroom.webhooks import announcements
from mailroom.webhooks.announcements import ANNOUNCEMENTS
from mailroom.webhooks.model import EventType
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, reply

BODY = {"emailTo": "a@example.com", "subject": "Hello", "message": "<p>Hello</p>", "tags": ["t"]}


@pytest.fixture(autouse=True)
def endpoints_are_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcements, "CACHE_SECONDS", -1.0)


def want(mail: Mail, *events: EventType, enabled: bool = True) -> None:
    mail.services.database["webhooks"].insert_one({"events": list(events), "enabled": enabled})


def announced(mail: Mail, id_: str) -> list[dict[str, Any]]:
    document = mail.collection.find_one({"_id": ObjectId(id_)})
    assert document is not None
    found: list[dict[str, Any]] = document.get(ANNOUNCEMENTS, [])
    return found


def send(mail: Mail, *addresses: str) -> str:
    """Sends a message to these addresses. Returns its id."""
    id_: str = mail.client.post(BODY | {"emailTo": list(addresses)}, Prefer="respond-async").body["id"]
    mail.drain()
    return id_


def test_a_result_and_its_announcement_are_written_together(mail: Mail, relay: Relay):
    want(mail, EventType.NOTIFICATION_SENT, EventType.NOTIFICATION_FAILED, EventType.NOTIFICATION_SUPPRESSED)
    relay.on("rcpt", reply("550 5.7.1 not here"), recipient="no@example.com", times=2)
    mail.client.post({"address": "off@example.com"}, "/suppressions")

    ends = {
        id_: mail.client.get(f"/{id_}").body["status"]
        for id_ in (
            send(mail, "a@example.com"),
            send(mail, "no@example.com"),
            send(mail, "off@example.com"),
            send(mail, "a@example.com", "no@example.com"),
        )
    }

    told = {id_: [(each["type"], each["data"]["status"]) for each in announced(mail, id_)] for id_ in ends}
    assert list(told.values()) == [
        [("notification.sent", "sent")],
        [("notification.failed", "failed")],
        [("notification.suppressed", "suppressed")],
        [("notification.sent", "partial")],
    ]
    assert list(ends.values()) == ["sent", "failed", "suppressed", "partial"]
    failed = announced(mail, list(ends)[1])[0]
    assert failed["data"]["error"] == {"code": "delivery.failed", "message": "no@example.com: 550 5.7.1 not here"}
    assert len({each["id"] for id_ in ends for each in announced(mail, id_)}) == len(ends)


def test_nothing_is_announced_that_no_endpoint_wants(mail: Mail):
    want(mail, EventType.NOTIFICATION_SENT, enabled=False)
    want(mail, EventType.NOTIFICATION_FAILED)
    assert announced(mail, send(mail, "a@example.com")) == []


def test_a_message_that_is_tried_again_announces_nothing_yet(mail: Mail, relay: Relay):
    want(mail, *EventType)
    relay.on("rcpt", reply("451 later"), recipient="later@example.com")
    assert announced(mail, send(mail, "later@example.com")) == []


def test_a_second_end_is_a_second_announcement(mail: Mail):
    want(mail, *EventType)
    id_ = send(mail, "a@example.com")
    mail.client.call("POST", f"/{id_}/resend")
    mail.drain()
    first, second = announced(mail, id_)
    assert first["id"] != second["id"]


def test_a_report_before_the_result_tells_the_status_that_callers_see(mail: Mail):
    want(mail, EventType.NOTIFICATION_BOUNCED, EventType.NOTIFICATION_SENT)
    told = announced(mail, send(mail, "bounced@simulator.mailroom"))
    assert [(each["type"], each["data"]["status"]) for each in told] == [
        ("notification.bounced", "sending"),
        ("notification.sent", "sent"),
    ]


def test_messages_that_are_recorded_in_one_write_each_get_their_own(mail: Mail, relay: Relay):
    want(mail, EventType.NOTIFICATION_FAILED)
    relay.on("rcpt", reply("550 5.7.1 not here"), recipient="no@example.com", times=10)
    ids = [
        mail.client.post(BODY | {"emailTo": address}, Prefer="respond-async").body["id"]
        for address in ("a@example.com", "no@example.com") * 10
    ]
    mail.drain()
    assert [len(announced(mail, id_)) for id_ in ids] == [0, 1] * 10
    assert all("announcements" not in found for found in mail.collection.find({"state": "sent"}))


def test_a_change_does_not_fail_without_the_right_to_read_the_endpoints(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise OperationFailure("not authorized", 13)

    monkeypatch.setattr(mail.services.announcer, "_endpoints", type("Refusing", (), {"find": refuse})())
    id_ = send(mail, "a@example.com")
    assert mail.client.get(f"/{id_}").body["status"] == "sent"


def test_while_the_endpoints_cannot_be_read_the_result_waits(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    want(mail, EventType.NOTIFICATION_SENT)
    endpoints = mail.services.database["webhooks"]
    answers = iter([AutoReconnect("away"), AutoReconnect("away")])

    class Away:
        def find(self, *arguments: Any) -> Any:
            for error in answers:
                raise error
            return endpoints.find(*arguments)

    monkeypatch.setattr(mail.services.announcer, "_endpoints", Away())
    id_ = send(mail, "a@example.com")
    assert next(answers, None) is None
    assert [each["type"] for each in announced(mail, id_)] == ["notification.sent"]
