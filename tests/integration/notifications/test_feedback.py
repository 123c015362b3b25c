"""What is reported about a message after the relay took it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from mailroom.notifications.feedback.feedback import MOST_REPORTS_KEPT, Applied
from mailroom.notifications.model.reports import LONGEST_TEXT, Delivery, Report
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, call, disconnect, reply

ANNA, BERT = "anna@example.com", "Bert@bücher.example"
HELLO = {"emailTo": [ANNA, BERT], "subject": "Hello", "message": "<p>x</p>"}
GONE = {"delivery": Delivery.BOUNCED, "permanent": True, "code": "5.1.1", "text": "no such user"}
FULL = {"delivery": Delivery.BOUNCED, "permanent": False, "code": "4.2.2", "text": "mailbox full"}
COMPLAINT = {"delivery": Delivery.COMPLAINED, "text": "abuse"}
DELIVERED = {"delivery": Delivery.DELIVERED, "code": "2.0.0"}


def report(message: str, recipient: str = ANNA, id: str = "imap:1", **given: Any) -> Report:
    what = given if "delivery" in given else GONE | given
    return Report(id=id, message=ObjectId(message), recipient=recipient, **what)


def send(mail: Mail, **given: Any) -> str:
    message: str = mail.client.post(HELLO | given).body["id"]
    return message


def delivery(mail: Mail, message: str, address: str = ANNA) -> Any:
    recipients = mail.client.get(f"/{message}").body["recipients"]
    return next(each["delivery"] for each in recipients if each["address"] == address)


def test_a_bounce_is_shown_at_its_recipient_and_suppresses_the_address(mail: Mail) -> None:
    message = send(mail)
    at = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)

    assert mail.feedback.apply(report(message, at=at)) is Applied.APPLIED

    shown = {"status": "bounced", "code": "5.1.1", "text": "no such user", "at": "2024-05-01T12:00:00.000Z"}
    assert delivery(mail, message) == shown
    assert delivery(mail, message, BERT) is None
    one = mail.client.get(f"/{message}").body
    assert one["status"] == "sent"
    [entry] = mail.client.get("/suppressions").body["items"]
    assert (entry["address"], entry["reason"]) == (ANNA, "5.1.1 no such user")
    assert entry["notificationId"] == message


@pytest.mark.parametrize("named", ["ANNA@Example.com", "anna@EXAMPLE.COM"])
def test_a_recipient_is_found_in_any_case(mail: Mail, named: str) -> None:
    message = send(mail)
    assert mail.feedback.apply(report(message, named)) is Applied.APPLIED
    assert mail.suppressed() == [ANNA]


@pytest.mark.parametrize("named", [BERT, "bert@xn--bcher-kva.example", "bert@BÜCHER.example"])
def test_a_recipient_is_found_by_its_address_in_ascii(mail: Mail, named: str) -> None:
    message = send(mail)
    assert mail.feedback.apply(report(message, named)) is Applied.APPLIED
    assert delivery(mail, message, BERT)["status"] == "bounced"
    assert mail.suppressed() == [BERT]


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        (GONE, True),
        (GONE | {"code": "5.1.6"}, True),
        (GONE | {"code": "5.1.10"}, True),
        (GONE | {"code": "5.2.1"}, True),
        (GONE | {"code": ""}, True),
        (GONE | {"code": "5.7.1"}, False),
        (GONE | {"code": "5.1.11"}, False),
        (GONE | {"code": "5.2.2"}, False),
        (GONE | {"code": "5.1.1", "permanent": False}, False),
        (FULL, False),
        (COMPLAINT, True),
        (DELIVERED, False),
    ],
)
def test_a_hard_bounce_and_a_complaint_suppress_at_once(mail: Mail, given: Any, listed: bool) -> None:
    message = send(mail)
    assert mail.feedback.apply(report(message, **given)) is Applied.APPLIED
    assert mail.suppressed() == ([ANNA] if listed else [])


def test_a_suppressed_address_gets_no_more_mail(mail: Mail, relay: Relay) -> None:
    mail.feedback.apply(report(send(mail), **COMPLAINT))
    message = send(mail)
    assert mail.fates(message) == {ANNA: "suppressed", BERT: "sent"}


def test_a_report_counts_once(mail: Mail) -> None:
    message = send(mail)
    one = report(message)
    assert mail.feedback.apply(one) is Applied.APPLIED
    [before] = mail.collection.find()
    assert mail.feedback.apply(one) is Applied.REPEATED
    assert mail.feedback.apply(report(message, **COMPLAINT)) is Applied.REPEATED  # the same id with other words
    assert list(mail.collection.find()) == [before]


def test_a_replay_does_not_suppress_an_address_that_a_person_took_off_the_list(mail: Mail) -> None:
    one = report(send(mail))
    mail.feedback.apply(one)
    assert mail.client.call("DELETE", f"/suppressions/{ANNA}").status == 200

    assert mail.feedback.apply(one) is Applied.REPEATED

    assert mail.suppressed() == []


def test_of_many_at_once_one_report_is_applied(mail: Mail) -> None:
    message = send(mail)
    with ThreadPoolExecutor(8) as pool:
        applied = list(pool.map(lambda _: mail.feedback.apply(report(message)), range(16)))
    assert sorted(applied) == ["applied", *["repeated"] * 15]
    [document] = mail.collection.find()
    assert len(document["reports"]) == 1


def test_a_report_about_another_address_or_an_unknown_message_changes_nothing(mail: Mail) -> None:
    message = send(mail)
    [before] = mail.collection.find()

    assert mail.feedback.apply(report(message, "carla@example.com")) is Applied.NOT_A_RECIPIENT
    assert mail.feedback.apply(report(str(ObjectId()))) is Applied.UNKNOWN_MESSAGE

    assert list(mail.collection.find()) == [before]
    assert mail.suppressed() == []


def test_a_report_about_mail_that_was_never_handed_over_changes_nothing(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("550 5.7.1 not from you"), recipient=ANNA)
    refused = send(mail)
    waiting = send(mail, sendAt="2199-01-01T00:00:00Z")
    mail.client.post({"address": "carla@example.com"}, "/suppressions")
    suppressed = send(mail, emailTo=["carla@example.com", BERT])

    assert mail.feedback.apply(report(refused)) is Applied.NOT_A_RECIPIENT
    assert mail.feedback.apply(report(waiting)) is Applied.NOT_A_RECIPIENT
    assert mail.feedback.apply(report(suppressed, "carla@example.com")) is Applied.NOT_A_RECIPIENT

    assert mail.suppressed() == ["carla@example.com"]
    assert mail.feedback.apply(report(refused, BERT)) is Applied.APPLIED


def test_a_report_may_come_before_the_sender_has_noted_its_result(mail: Mail, relay: Relay) -> None:
    message = mail.client.post(HELLO, Prefer="respond-async").body["id"]
    applied: list[Applied] = []
    relay.on("content", call(lambda: applied.append(mail.feedback.apply(report(message)))))

    mail.drain()

    assert applied == [Applied.APPLIED]
    assert mail.fates(message) == {ANNA: "sent", BERT: "sent"}
    assert delivery(mail, message)["status"] == "bounced"


def test_a_message_in_doubt_takes_reports(mail: Mail, relay: Relay) -> None:
    relay.on("content", disconnect)
    message = send(mail)
    assert mail.client.get(f"/{message}").body["status"] == "queued"
    assert mail.feedback.apply(report(message, **DELIVERED)) is Applied.APPLIED


def test_a_complaint_counts_more_than_a_bounce_and_a_bounce_more_than_a_delivery(mail: Mail) -> None:
    message = send(mail)
    for number, (given, status) in enumerate(
        [
            (DELIVERED, "delivered"),
            (FULL, "bounced"),
            (DELIVERED, "bounced"),
            (GONE, "bounced"),
            (COMPLAINT, "complained"),
        ]
    ):
        mail.feedback.apply(report(message, id=f"ses:{number}", **given))
        assert delivery(mail, message)["status"] == status
    mail.feedback.apply(report(message, id="ses:last", **GONE))
    assert delivery(mail, message)["status"] == "complained"
    assert mail.client.get().body["items"][0]["status"] == "sent"


def test_after_a_resend_earlier_reports_do_not_count(mail: Mail) -> None:
    message = send(mail)
    mail.feedback.apply(report(message, **FULL))
    mail.client.post(None, f"/{message}/resend")
    mail.drain()
    assert delivery(mail, message)["status"] == "bounced"  # nothing newer is known

    mail.feedback.apply(report(message, id="imap:2", **DELIVERED))

    assert delivery(mail, message)["status"] == "delivered"


def test_a_list_shows_the_worst_of_what_came_back(mail: Mail) -> None:
    untouched, message = send(mail), send(mail, cc="b@example.com")
    mail.feedback.apply(report(message, **DELIVERED))
    mail.feedback.apply(report(message, id="imap:2", **FULL | {"recipient": "b@example.com"}))

    shown = {each["id"]: each["delivery"] for each in mail.client.get("/").body["items"]}

    assert shown == {str(untouched): None, str(message): "bounced"}


def test_the_reports_of_a_message_are_bounded(mail: Mail) -> None:
    message = send(mail)
    for number in range(MOST_REPORTS_KEPT + 5):
        mail.feedback.apply(report(message, id=f"ses:{number}", **DELIVERED | {"text": "x" * 10_000}))
    [document] = mail.collection.find()
    assert len(document["reports"]) == MOST_REPORTS_KEPT
    assert {len(each["text"]) for each in document["reports"]} == {LONGEST_TEXT}


@pytest.mark.parametrize("text", ["\udc80\ud800", "\0\x1b[31m", "ü" * 2000])
def test_any_text_of_a_report_can_be_stored(mail: Mail, text: str) -> None:
    message = send(mail)
    applied = mail.feedback.apply(
        report(message, id=f"imap:{text}", text=text, code=text, at=datetime(1, 1, 1))  # noqa: DTZ001
    )
    assert applied is Applied.APPLIED
    assert delivery(mail, message)["status"] == "bounced"


@pytest.mark.parametrize("given", [GONE, FULL, COMPLAINT])
def test_addresses_of_the_simulator_are_never_suppressed(make_mail: Any, given: Any) -> None:
    mail: Mail = make_mail(soft_bounces=1)
    address = "bounced@Simulator.mailroom"
    message = send(mail, emailTo=[address])
    assert mail.feedback.apply(report(message, address, **given)) is Applied.APPLIED
    assert mail.suppressed() == []


def test_a_message_of_the_version_before_takes_reports_and_is_shown(mail: Mail) -> None:
    message = send(mail)
    [document] = mail.collection.find()
    assert "reports" not in document
    assert delivery(mail, message) is None
    assert mail.feedback.apply(report(message)) is Applied.APPLIED


@pytest.mark.parametrize(
    ("given", "type_"),
    [(DELIVERED, "notification.delivered"), (GONE, "notification.bounced"), (COMPLAINT, "notification.complained")],
)
def test_webhooks_are_told_once_in_the_update_that_notes_the_report(mail: Mail, given: Any, type_: str) -> None:
    mail.services.database["webhooks"].insert_one({"url": "https://a.example", "events": [type_], "enabled": True})
    message = send(mail)

    for _ in range(2):
        mail.feedback.apply(report(message, "bert@xn--bcher-kva.example", **given))

    [document] = mail.collection.find()
    [announcement] = document["announcements"]
    assert announcement["type"] == type_
    wanted = {"status": "sent", "recipient": BERT, "code": given.get("code", ""), "text": given.get("text", "")}
    assert announcement["data"] == wanted


def test_without_an_endpoint_that_wants_it_nothing_is_announced(mail: Mail) -> None:
    other = {"url": "https://a.example", "events": ["notification.sent"], "enabled": True}
    off = {"url": "https://b.example", "events": ["notification.bounced"], "enabled": False}
    mail.services.database["webhooks"].insert_many([other, off])
    message = send(mail)

    mail.feedback.apply(report(message))

    [document] = mail.collection.find()
    assert "notification.bounced" not in [each["type"] for each in document.get("announcements", [])]
