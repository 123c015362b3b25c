"""The actions of people on messages and addresses: cancel, resend, suppress."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mailroom.notifications.outbox.actions import hold_all
from mailroom.platform.mongo import server_time
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, call, disconnect, reply
from tests.support.mongo_proxy import Command, MongoProxy

HELLO = {"emailTo": ["a@example.com", "b@example.com"], "subject": "Hello", "message": "<p>x</p>"}


def test_a_cancelled_message_is_not_sent(mail: Mail, relay: Relay) -> None:
    message = mail.client.post(HELLO, Prefer="respond-async").body["id"]

    answer = mail.client.post(None, f"/{message}/cancel")

    assert (answer.status, answer.body["status"], answer.body["nextAttemptAt"]) == (200, "cancelled", None)
    assert mail.drain() == 0
    assert relay.received == []
    assert mail.client.post(None, f"/{message}/cancel").status == 409


def test_a_message_can_be_cancelled_until_the_final_dot(mail: Mail, relay: Relay) -> None:
    message = mail.client.post(HELLO, Prefer="respond-async").body["id"]
    relay.on("data", call(lambda: mail.client.post(None, f"/{message}/cancel")))

    assert mail.drain() == 1

    assert relay.received == []
    assert mail.states() == ["cancelled"]


def test_a_message_is_either_cancelled_or_handed_over(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(smtp_connections=10, smtp_data_timeout_seconds=20.0)
    messages = [{"emailTo": "a@example.com", "subject": str(number), "message": "<p>x</p>"} for number in range(80)]
    accepted = mail.client.post({"messages": messages}, "/batch").body["items"]
    subjects = {each["id"]: str(number) for number, each in enumerate(accepted)}
    ids = random.sample(list(subjects), len(subjects))

    with ThreadPoolExecutor(5) as pool:
        drain = pool.submit(mail.drain)
        statuses = dict(zip(ids, pool.map(lambda id: mail.client.post(None, f"/{id}/cancel").status, ids), strict=True))
        drain.result()
    mail.drain()

    cancelled = {subjects[each] for each in ids if statuses[each] == 200}
    sent = [each.parsed["Subject"] for each in relay.received]
    assert set(statuses.values()) <= {200, 409}
    assert cancelled
    assert sorted([*cancelled, *sent]) == sorted(subjects.values())
    assert mail.states() == ["cancelled"] * len(cancelled) + ["sent"] * len(sent)


def test_a_sent_message_cannot_be_cancelled(mail: Mail) -> None:
    message = mail.client.post(HELLO).body["id"]

    answer = mail.client.post(None, f"/{message}/cancel")

    assert (answer.status, answer.body["code"]) == (409, "notification.state")
    assert mail.client.post(None, "/000000000000000000000000/cancel").status == 404


def test_a_resend_goes_to_the_recipients_without_it(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("550 5.7.1 not from you"), recipient="b@example.com")
    message = mail.client.post(HELLO).body["id"]
    assert mail.fates(message) == {"a@example.com": "sent", "b@example.com": "failed"}

    assert mail.client.post(None, f"/{message}/resend").status == 202
    mail.drain()

    assert mail.fates(message) == {"a@example.com": "sent", "b@example.com": "sent"}
    assert [each.recipients for each in relay.taken] == [("a@example.com",), ("b@example.com",)]
    mail.client.post(None, f"/{message}/resend")
    mail.drain()
    assert relay.taken[2].recipients == ("a@example.com", "b@example.com")
    assert mail.states() == ["sent"]


def test_a_resend_that_is_repeated_sends_once(mail: Mail, relay: Relay) -> None:
    message = mail.client.post(HELLO).body["id"]
    for _ in range(2):  # while it waits, the repeat is no conflict
        assert mail.client.post(None, f"/{message}/resend", Idempotency_Key="once").status == 202
    mail.drain()

    assert mail.client.post(None, f"/{message}/resend", Idempotency_Key="once").status == 202
    assert mail.drain() == 0

    assert len(relay.taken) == 2
    assert mail.client.post(None, f"/{message}/resend", Idempotency_Key="another").status == 202
    assert mail.drain() == 1


def test_a_waiting_message_cannot_be_resent(mail: Mail) -> None:
    message = mail.client.post(HELLO, Prefer="respond-async").body["id"]

    assert mail.client.post(None, f"/{message}/resend").status == 409


def test_an_unknown_outcome_is_resent_by_hand_and_then_retried_as_new(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(unknown_outcome="hold")
    relay.on("content", disconnect)
    message = mail.client.post(HELLO).body["id"]
    mail.wait_for_state(message, "unknown")
    assert mail.drain() == 0

    mail.client.post(None, f"/{message}/resend")
    relay.on("mail", reply("450 later"))
    mail.drain()
    assert 30 <= mail.wait_of(message) <= 60
    mail.let_time_pass()
    mail.drain()

    assert mail.states() == ["sent"]
    assert len(relay.received) == 2


def test_an_address_with_a_slash_is_taken_off_the_list(mail: Mail) -> None:
    assert mail.client.post({"address": "a/b@example.com"}, "/suppressions").status == 200
    assert mail.client.call("DELETE", "/suppressions/a/b@example.com").status == 200
    assert mail.client.get("/suppressions").body["items"] == []


def test_an_address_that_bounced_for_good_gets_no_more_mail(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("550 5.1.1 no such mailbox"), recipient="b@example.com")
    first = mail.client.post(HELLO).body["id"]

    [listed] = mail.client.get("/suppressions").body["items"]
    assert (listed["address"], listed["notificationId"]) == ("b@example.com", first)
    assert listed["reason"] == "5.1.1 no such mailbox"

    second = mail.client.post(HELLO | {"emailTo": ["a@example.com", "B@example.com"]}).body
    assert second["status"] == "partial"
    assert relay.taken[1].recipients == ("a@example.com",)
    alone = mail.client.post(HELLO | {"emailTo": "b@example.com"})
    assert (alone.status, alone.body["state"]) == (422, "suppressed")
    assert "suppression list" in alone.body["message"]
    assert len(relay.taken) == 2

    assert mail.client.call("DELETE", "/suppressions/b@example.com").status == 200
    assert mail.client.call("DELETE", "/suppressions/b@example.com").status == 404
    assert mail.client.post(HELLO | {"emailTo": "b@example.com"}).body["status"] == "sent"


@pytest.mark.parametrize("answer", ["550 5.7.1 we do not like you", "550 no", "552 5.2.2 mailbox full", "450 5.1.1 x"])
def test_other_refusals_suppress_nobody(mail: Mail, relay: Relay, answer: str) -> None:
    relay.on("rcpt", reply(answer))
    mail.client.post(HELLO)

    assert mail.client.get("/suppressions").body["items"] == []


def test_suppressions_can_be_added_listed_and_removed(mail: Mail, relay: Relay) -> None:
    for address in ("a@example.com", "b@example.com", "A@example.com"):
        assert mail.client.post({"address": address, "reason": "asked us"}, "/suppressions").status == 200

    page = mail.client.get("/suppressions", limit="1").body
    assert [each["address"] for each in page["items"]] == ["b@example.com"]
    assert page["nextCursor"]
    assert len(mail.client.get("/suppressions", address="a@EXAMPLE.com").body["items"]) == 1
    assert mail.client.post({"address": "x"}, "/suppressions").body["field"] == "address"
    assert mail.client.post(HELLO).status == 422
    assert relay.connections == 0


def test_many_messages_are_held_in_commands_of_bounded_length(
    mail: Mail, make_mail: Any, mongo_proxy: MongoProxy
) -> None:
    waiting = [{"state": ("queued", "sending")[n % 2], "epoch": 0, "dueAt": n} for n in range(1200)]
    mail.collection.insert_many([*waiting, {"state": "sent", "epoch": 0}])
    held: list[int] = []

    def note(command: Command) -> None:
        held.extend(len(each["q"]["_id"]["$in"]) for each in command.get("updates", ()))

    mongo_proxy.intercept = note
    database = make_mail(mongodb_secret="by-proxy").services.database

    assert hold_all(database["notifications"], server_time(database)) == 1200
    assert sum(held) == 1200
    assert max(held) <= 500
    assert mail.collection.count_documents({"state": "unknown", "epoch": 1, "dueAt": {"$exists": False}}) == 1200
    assert hold_all(database["notifications"], server_time(database)) == 0


def test_addresses_that_differ_are_two_recipients_and_two_suppressions(mail: Mail, relay: Relay) -> None:
    sharp, double = "stra\u00dfe@example.com", "strasse@example.com"
    mail.client.post({"address": double}, "/suppressions")
    sent = mail.client.post({"emailTo": [sharp, double, "STRASSE@EXAMPLE.COM"], "subject": "s", "message": "m"})

    recipients = mail.client.get(f"/{sent.body['id']}").body["recipients"]
    assert [(each["address"], each["status"]) for each in recipients] == [(sharp, "sent"), (double, "suppressed")]
    assert mail.client.get("/suppressions", address=sharp).body["items"] == []
    assert mail.client.call("DELETE", f"/suppressions/{sharp}").status == 404
    assert mail.client.call("DELETE", "/", query={"emailTo": sharp}).body["erased"] == 1


def test_a_domain_is_one_in_every_spelling(mail: Mail) -> None:
    mail.client.post({"address": "anna@b\u00fccher.example.com"}, "/suppressions")

    refused = mail.client.post({"emailTo": "Anna@XN--BCHER-KVA.example.com", "subject": "s", "message": "m"})

    assert (refused.status, refused.body["state"]) == (422, "suppressed")
    assert mail.client.call("DELETE", "/suppressions/anna@xn--bcher-kva.example.com").status == 200
