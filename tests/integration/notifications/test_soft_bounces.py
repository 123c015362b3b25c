"""Soft bounces: many of them in a short time suppress an address too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.test_feedback import ANNA, BERT, FULL, report, send


def test_soft_bounces_of_several_messages_suppress_in_the_end(make_mail: Any) -> None:
    mail: Mail = make_mail(soft_bounces=3, soft_bounce_days=14.0)
    messages = [send(mail) for _ in range(3)]
    for message in messages[:2]:
        mail.feedback.apply(report(message, id="imap:1", **FULL))
        mail.feedback.apply(report(message, id="imap:2", **FULL))  # the same message counts once
    assert mail.suppressed() == []

    mail.feedback.apply(report(messages[2], **FULL))

    [entry] = mail.client.get("/suppressions").body["items"]
    assert entry["address"] == ANNA
    assert entry["reason"] == "3 soft bounces within 14 days; the last: 4.2.2 mailbox full"


def test_old_soft_bounces_and_refusals_by_policy_do_not_count(make_mail: Any) -> None:
    mail: Mail = make_mail(soft_bounces=2, soft_bounce_days=14.0)
    old = datetime.now(UTC) - timedelta(days=15)
    mail.feedback.apply(report(send(mail), **FULL, at=old))
    mail.feedback.apply(report(send(mail), **FULL))
    for code in ("5.7.1", "4.7.0"):
        mail.feedback.apply(report(send(mail), **FULL | {"code": code}))
    assert mail.suppressed() == []

    mail.feedback.apply(report(send(mail), **FULL, at=datetime.now(UTC) + timedelta(days=400)))

    assert mail.suppressed() == [ANNA]
    [counted] = mail.services.database["softBounces"].find()
    assert counted["updatedAt"] <= datetime.now(UTC) + timedelta(minutes=1)  # a reporter's clock may be wrong


def test_an_address_that_a_person_took_off_the_list_begins_anew(make_mail: Any) -> None:
    mail: Mail = make_mail(soft_bounces=2)
    for _ in range(2):
        mail.feedback.apply(report(send(mail), **FULL))
    mail.client.call("DELETE", f"/suppressions/{ANNA}")

    mail.feedback.apply(report(send(mail), **FULL))

    assert mail.suppressed() == []


def test_without_a_limit_soft_bounces_are_not_counted(make_mail: Any) -> None:
    mail: Mail = make_mail(soft_bounces=0)
    for _ in range(3):
        mail.feedback.apply(report(send(mail), **FULL))
    assert mail.suppressed() == []
    assert mail.services.database["softBounces"].count_documents({}) == 0


def test_old_soft_bounces_are_deleted_and_those_of_a_person_are_erased(mail: Mail) -> None:
    counted = mail.services.database["softBounces"]
    message = send(mail)
    for address in (ANNA, BERT):
        mail.feedback.apply(report(message, address, id=address, **FULL))
    mail.client.call("DELETE", "/", query={"emailTo": ANNA})
    assert [each["_id"] for each in counted.find()] == ["bert@xn--bcher-kva.example"]
    mail.drain()
    assert counted.count_documents({}) == 1

    counted.update_many({}, [{"$set": {"updatedAt": {"$subtract": ["$updatedAt", 15 * 86_400_000]}}}])
    mail.services.database["cursors"].delete_many({})
    mail.drain()

    assert counted.count_documents({}) == 0
