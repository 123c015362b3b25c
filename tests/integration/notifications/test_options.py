"""The options of a message: files, tags, a time, a priority."""

from __future__ import annotations

import base64
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from mailroom.notifications.message.attachments import LARGEST_ATTACHMENTS
from mailroom.platform.clock import rfc3339
from mailroom.platform.mongo import server_time
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay

HELLO = {"emailTo": "a@example.com", "subject": "Hello", "message": "<p>x</p>"}


def file(content: bytes, **more: object) -> dict[str, object]:
    return {"filename": "report.pdf", "content": base64.b64encode(content).decode(), **more}


def test_attachments_arrive_as_they_were(mail: Mail, relay: Relay) -> None:
    content = bytes(range(256)) * 50 + b"\r\n.\r\n"
    files = [
        file(content, contentType="application/pdf"),
        file(b"", filename='Übersicht "2024"; x=1.csv'),
    ]

    message = mail.client.post(HELLO | {"attachments": files}).body["id"]

    [received] = relay.taken
    found = [each for each in received.parsed.iter_attachments() if isinstance(each, EmailMessage)]
    assert [(each.get_filename(), each.get_content_type(), each.get_content()) for each in found] == [
        ("report.pdf", "application/pdf", content),
        ('Übersicht "2024"; x=1.csv', "application/octet-stream", b""),
    ]
    assert received.body("html") == "<p>x</p>"
    assert mail.client.get(f"/{message}").body["attachments"][0] == {
        "filename": "report.pdf",
        "contentType": "application/pdf",
        "size": len(content),
        "object": None,
        "contentId": None,
    }


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"attachments": [file(b"x"), file(b"x", filename="a\r\nb")]}, 422, "attachments[1].filename"),
        ({"attachments": [file(b"x", filename="../x")]}, 422, "attachments[0].filename"),
        ({"attachments": [file(b"x", contentType="text/html\r\nX: y")]}, 422, "attachments[0].contentType"),
        ({"attachments": [file(b"x", contentType="multipart/mixed")]}, 422, "attachments[0].contentType"),
        ({"attachments": [{"filename": "x", "content": "?"}]}, 422, "attachments[0].content"),
        ({"attachments": [file(bytes(LARGEST_ATTACHMENTS + 1))]}, 413, "attachments"),
        ({"tags": ["a", ""]}, 422, "tags[1]"),
        ({"tags": [str(number) for number in range(11)]}, 422, "tags[10]"),
        ({"metadata": {"a.b": "c"}}, 422, "metadata.a.b"),
        ({"metadata": {str(number): "" for number in range(21)}}, 422, "metadata"),
        ({"priority": "urgent"}, 422, "priority"),
        ({"sendAt": "tomorrow"}, 422, "sendAt"),
        ({"sendAt": "9999-12-31T23:59:59-14:00"}, 422, "sendAt"),
    ],
)
def test_a_bad_option_is_named(mail: Mail, change: dict[str, Any], status: int, field: str) -> None:
    answer = mail.client.post(HELLO | change)

    assert (answer.status, answer.body["field"]) == (status, field)
    assert mail.states() == []


def test_tags_and_metadata_are_kept_and_tags_are_searched(mail: Mail) -> None:
    options = {"tags": ["invoice", "may"], "metadata": {"order": "4711"}}
    message = mail.client.post(HELLO | options).body["id"]
    mail.client.post(HELLO)

    [found] = mail.client.get(tag="may").body["items"]
    assert found["id"] == message
    assert (found["tags"], found["metadata"]) == (["invoice", "may"], {"order": "4711"})
    assert mail.client.get(tag="may", status="sent").status == 422


def test_a_message_for_later_waits_for_its_time(mail: Mail, relay: Relay) -> None:
    later = server_time(mail.services.database) + timedelta(hours=1)

    answer = mail.client.post(HELLO | {"sendAt": rfc3339(later)})
    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert mail.drain() == 0
    mail.let_time_pass()
    assert mail.drain() == 1
    assert len(relay.taken) == 1


def test_priority_goes_first(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(smtp_connections=1)
    for priority in ("low", "normal", "high", "low", "high"):
        mail.client.post(HELLO | {"subject": priority, "priority": priority}, Prefer="respond-async")

    mail.drain()

    assert [each.parsed["Subject"] for each in relay.taken] == ["high", "high", "normal", "low", "low"]
