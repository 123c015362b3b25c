"""What the functions of the notifications show to Prometheus. It changes with what happens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from mailroom.deploy import setup
from mailroom.notifications.metrics import create_api_metrics, create_sender_metrics
from mailroom.notifications.outbox.metrics import answer_class
from mailroom.notifications.smtp import probe
from tests.integration.notifications.conftest import Client, Mail
from tests.integration.notifications.relay import Relay, disconnect, reply
from tests.support.commands import RECORDER
from tests.support.metrics import values

MAIL = {"emailTo": "anna@example.com", "subject": "Hello", "message": "<p>Hello</p>"}


@pytest.fixture
def mail(make_mail: Callable[..., Mail]) -> Mail:
    return set_up(make_mail())


def set_up(mail: Mail) -> Mail:
    setup.run(mail.services, lambda line: None)
    return mail


def shown(mail: Mail) -> dict[str, float]:
    """What a replica of the sender tells that has told nothing before."""
    return values(create_sender_metrics(mail.services))


def test_messages_by_status_and_the_answers_of_the_relay(mail: Mail, relay: Relay) -> None:
    before = shown(mail)
    assert before["mailroom_metrics_up{mongodb}"] == before["mailroom_metrics_up{relay}"] == 1.0
    assert before["mailroom_messages{sent}"] == before["mailroom_attempts_last_hour{2xx}"] == 0.0
    assert not [name for name in before if name.startswith("mailroom_message_seconds")]
    relay.on("rcpt", reply("550 5.1.1 unknown"), recipient="gone@example.com")
    relay.on("rcpt", reply("450 4.2.1 later"), recipient="later@example.com")
    for name in ("anna", "gone", "later", "bert"):
        mail.client.post(MAIL | {"emailTo": f"{name}@example.com"})
    relay.on("content", disconnect)
    mail.client.post(MAIL | {"emailTo": "cut-off@example.com"})
    after = shown(mail)
    statuses = {"sent": 2.0, "failed": 1.0, "queued": 2.0, "sending": 0.0}
    assert {name: after[f"mailroom_messages{{{name}}}"] for name in statuses} == statuses
    classes = {"2xx": 2.0, "4xx": 1.0, "5xx": 1.0, "none": 1.0}
    assert {name: after[f"mailroom_attempts_last_hour{{{name}}}"] for name in classes} == classes
    assert 0.0 < after["mailroom_message_seconds_last_hour{0.5}"] <= after["mailroom_message_seconds_last_hour{1}"] < 60


def test_a_message_that_waits_is_told_with_its_age(mail: Mail) -> None:
    sent = mail.client.post(MAIL, Prefer="respond-async").body["id"]
    change = {"$set": {"dueAt": mail.services.clock.now() - timedelta(minutes=10)}}
    mail.collection.update_one({"_id": ObjectId(sent)}, change)
    assert 600 <= shown(mail)["mailroom_messages_oldest_due_seconds"] < 700
    mail.drain()
    after = shown(mail)
    assert after["mailroom_messages_oldest_due_seconds"] == 0.0
    assert after["mailroom_messages{sent}"] == 1.0


def test_attempts_and_times_of_long_ago_are_not_of_the_last_hour(mail: Mail) -> None:
    mail.client.post(MAIL)
    hours = {"$subtract": ["$$NOW", 2 * 3_600_000]}
    mail.collection.update_many({}, [{"$set": {"updatedAt": hours, "sentAt": hours}}])
    after = shown(mail)
    assert after["mailroom_messages{sent}"] == 1.0
    assert after["mailroom_attempts_last_hour{2xx}"] == 0.0
    assert "mailroom_message_seconds_last_hour{1}" not in after


def test_mail_of_test_keys_and_of_the_simulator_says_nothing_of_the_relay(mail: Mail) -> None:
    mail.client.post(MAIL | {"emailTo": "deferred@simulator.mailroom"})
    after = shown(mail)
    assert after["mailroom_messages{queued}"] == 1.0
    assert sum(value for name, value in after.items() if name.startswith("mailroom_attempts")) == 0.0


def test_only_mail_that_the_relay_took_counts_as_sent_and_as_come_back(mail: Mail) -> None:
    tester = Client(mail.client.app, mail.services.keys.create("tester", ["notifications:test"]).text)
    assert tester.post(MAIL).body["status"] == "sent"
    assert tester.post(MAIL | {"emailTo": ["anna@example.com", "x@simulator.mailroom"]}).body["status"] == "partial"
    for to in ("bounced@simulator.mailroom", "complained@simulator.mailroom"):
        assert tester.post(MAIL | {"emailTo": to}).body["status"] == "sent"
        assert mail.client.post(MAIL | {"emailTo": ["anna@example.com", to]}).body["status"] == "sent"
    after = shown(mail)
    assert after["mailroom_messages_sent_last_day"] == 2.0
    assert sum(value for name, value in after.items() if name.startswith("mailroom_deliveries_last_day")) == 0.0


def test_mail_of_test_keys_has_no_time_to_its_hand_over(mail: Mail) -> None:
    tester = Client(mail.client.app, mail.services.keys.create("tester", ["notifications:test"]).text)
    assert tester.post(MAIL).body["status"] == "sent"
    assert "mailroom_message_seconds_last_hour{1}" not in shown(mail)


def test_a_relay_that_is_down_is_told_and_told_when_it_is_back(
    mail: Mail, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(mail)["mailroom_relay_up"] == 1.0  # nothing was sent: it was asked
    relay.stop()
    assert shown(mail)["mailroom_relay_up"] == 0.0
    mail.client.post(MAIL)
    after = shown(mail)  # the last attempt tells
    assert (after["mailroom_relay_up"], after["mailroom_metrics_up{relay}"]) == (0.0, 1.0)
    assert after["mailroom_attempts_last_hour{none}"] == 1.0
    relay.start()
    mail.let_time_pass()
    mail.drain()
    connections = relay.connections
    assert shown(mail)["mailroom_relay_up"] == 1.0
    assert relay.connections == connections  # it was not asked once more
    monkeypatch.setattr(probe, "_TELLS", timedelta(0))
    assert shown(mail)["mailroom_relay_up"] == 1.0
    assert relay.connections == connections + 1


def test_the_relay_is_asked_at_most_once_a_minute(mail: Mail, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailroom.platform.metrics._GOOD_SECONDS", 0.0)
    metrics = create_sender_metrics(mail.services)
    for _ in range(3):
        assert values(metrics)["mailroom_relay_up"] == 1.0
    assert relay.connections == 1


def test_a_relay_without_the_tls_that_is_required_is_down(make_mail: Callable[..., Mail]) -> None:
    assert shown(make_mail(smtp_tls="required"))["mailroom_relay_up"] == 0.0


@pytest.mark.parametrize(
    ("outcome", "steps", "expected"),
    [
        ("sent", "connect 220, mail 250, rcpt 250, data 354, content 250", "2xx"),
        ("partial", "mail 250, rcpt 550, rcpt 250, data 354, content 250", "2xx"),
        ("queued", "mail 250, rcpt 451, data 554, rset 250", "4xx"),  # the answer to DATA that was sent with RCPT
        ("failed", "mail 250, rcpt 550, data 503", "5xx"),
        ("queued", "connect 535", "5xx"),
        ("queued", "connect -", "none"),
        ("unknown", "mail 250, rcpt 250, data 354, content -", "none"),
        ("failed", "mail -, connect 220, mail 250, rcpt 550, data 503", "5xx"),  # the old connection had been closed
        ("queued", "mail 421, connect -", "none"),
    ],
)
def test_the_class_of_an_attempt(outcome: str, steps: str, expected: str) -> None:
    made = [dict(zip(("step", "code"), each.split(), strict=True)) for each in steps.split(", ")]
    transcript = [{"step": each["step"], "code": None if each["code"] == "-" else int(each["code"])} for each in made]
    assert answer_class(outcome, transcript) == expected


def test_only_mail_of_the_last_day_is_sent_in_the_last_day(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("550 5.1.1 unknown"), recipient="gone@example.com")
    for to in ("anna@example.com", "gone@example.com", "gone@example.com, anna@example.com"):
        mail.client.post(MAIL | {"emailTo": to.split(", ")})
    assert shown(mail)["mailroom_messages_sent_last_day"] == 2.0  # one of them in part
    day = {"$subtract": ["$$NOW", 25 * 3_600_000]}
    mail.collection.update_many({"state": "sent"}, [{"$set": {"createdAt": day}}])
    assert shown(mail)["mailroom_messages_sent_last_day"] == 1.0


def test_what_came_back_and_whom_nobody_writes_to(mail: Mail) -> None:
    for told in ({"delivery": "delivered"}, {"delivery": "bounced", "code": "5.1.1"}):
        sent = mail.client.post(MAIL).body["id"]
        assert mail.client.post({"address": "anna@example.com", **told}, f"/{sent}/delivery").status == 200
    mail.client.post({"address": "b@example.com", "reason": "asked us"}, "/suppressions")
    after = shown(mail)
    deliveries = {"delivered": 1.0, "bounced": 1.0, "complained": 0.0}
    assert {name: after[f"mailroom_deliveries_last_day{{{name}}}"] for name in deliveries} == deliveries
    assert after["mailroom_messages_sent_last_day"] == 2.0
    assert after["mailroom_suppressions"] == 2.0


def test_two_replicas_tell_the_same(mail: Mail, make_mail: Callable[..., Mail]) -> None:
    for name in ("anna", "bert"):
        mail.client.post(MAIL | {"emailTo": f"{name}@example.com"})
    mail.drain()
    one, other = shown(mail), shown(make_mail())
    assert one == other


def test_secrets_that_the_settings_ask_for(make_mail: Callable[..., Mail]) -> None:
    mail = make_mail(dkim_selector="s1", bounce_imap_host="imap.example.com", mail_return_path="b@example.com")
    names = [name for name, value in shown(mail).items() if name.startswith("mailroom_secret_missing") and value]
    missing = ["dkim-key", "imap-password", "imap-username", "signing-key"]
    assert sorted(names) == [f"mailroom_secret_missing{{mailroom-{each}}}" for each in missing]
    assert "mailroom_secret_missing{mailroom-imap-password}" not in values(create_api_metrics(mail.services))


def test_no_address_is_in_the_labels(mail: Mail) -> None:
    mail.client.post(MAIL | {"subject": "confidential"})
    assert not [name for name in shown(mail) if "anna" in name or "example" in name or "confidential" in name]


def test_the_sender_needs_no_other_rights_for_its_metrics(make_mail: Any) -> None:
    mail = set_up(make_mail(bounce_imap_host="imap.example.com"))
    mail.client.post(MAIL)
    with RECORDER.of("notification-sender") as used:
        assert shown(mail)["mailroom_metrics_up{mongodb}"] == 1.0
    wanted = {("notifications", "find"), ("suppressions", "find"), ("leases", "find"), ("cursors", "find")}
    assert wanted | {("workers", "find")} <= used
