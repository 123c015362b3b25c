"""Reports that a program or a person makes over the API, with a key."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from mailroom.notifications.model.reports import LONGEST_TEXT
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.test_feedback import ANNA, send


def test_a_report_by_hand(mail: Mail) -> None:
    message = send(mail)
    body = {"address": "ANNA@example.com", "delivery": "bounced", "code": "5.1.1", "text": "by telephone"}

    answer = mail.client.post(body, f"/{message}/delivery")

    assert (answer.status, answer.body["address"], answer.body["status"]) == (200, ANNA, "sent")
    assert answer.body["delivery"]["status"] == "bounced"
    assert answer.body["delivery"]["text"] == "by telephone"
    assert mail.suppressed() == [ANNA]
    assert mail.client.post(body, f"/{message}/delivery").status == 200
    [document] = mail.collection.find()
    assert [each["source"] for each in document["reports"]] == ["hand"]


@pytest.mark.parametrize(
    ("given", "status", "code", "field"),
    [
        ({"address": "carla@example.com"}, 422, "delivery.not_a_recipient", "address"),
        ({"delivery": "sent"}, 422, "body.invalid", "delivery"),
        ({"code": "550"}, 422, "body.invalid", "code"),
        ({"text": "x" * (LONGEST_TEXT + 1)}, 422, "body.invalid", "text"),
        ({"permanent": True}, 422, "body.invalid", "permanent"),
    ],
)
def test_a_report_by_hand_that_is_wrong_changes_nothing(
    mail: Mail, given: Any, status: int, code: str, field: str
) -> None:
    message = send(mail)
    answer = mail.client.post({"address": ANNA, "delivery": "bounced"} | given, f"/{message}/delivery")
    assert (answer.status, answer.body["code"], answer.body["field"]) == (status, code, field)
    assert mail.suppressed() == []


def test_a_report_by_hand_about_an_unknown_notification(mail: Mail) -> None:
    answer = mail.client.post({"address": ANNA, "delivery": "bounced"}, f"/{ObjectId()}/delivery")
    assert (answer.status, answer.body["code"]) == (404, "notification.unknown")
