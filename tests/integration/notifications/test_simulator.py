"""Addresses of the simulator: they go the whole way, and no relay sees them."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from tests.integration.notifications.children import StartChild, killed, say
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, reply

HELLO: dict[str, Any] = {"subject": "Hello", "message": "<p>x</p>"}


def recipients(mail: Mail, message: str) -> dict[str, dict[str, Any]]:
    return {each["address"]: each for each in mail.client.get(f"/{message}").body["recipients"]}


@pytest.mark.parametrize("what", ["delivered", "bounced", "complained"])
def test_an_address_of_the_simulator_takes_the_message_and_reports(mail: Mail, relay: Relay, what: str) -> None:
    to = f"{what}+label@simulator.mailroom"

    answer = mail.client.post(HELLO | {"emailTo": to})

    assert answer.body["status"] == "sent"
    assert relay.connections == 0
    shown = recipients(mail, answer.body["id"])[to]
    assert (shown["status"], shown["delivery"]["status"]) == ("sent", what)
    assert mail.client.get("/suppressions").body["items"] == []
    assert mail.client.post(HELLO | {"emailTo": to}).body["status"] == "sent"


def test_deferred_is_tried_again_until_it_is_given_up(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(retry_give_up_hours=0.5)
    answer = mail.client.post(HELLO | {"emailTo": "deferred@simulator.mailroom"})

    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert 30 <= mail.wait_of(answer.body["id"]) <= 60
    id_ = {"_id": ObjectId(answer.body["id"])}
    mail.collection.update_one(id_, [{"$set": {"dueSince": {"$subtract": ["$dueSince", 3_600_000]}}}])
    mail.let_time_pass()
    mail.drain()

    assert mail.states() == ["failed"]
    assert "given up" in mail.client.get(f"/{answer.body['id']}").body["recipients"][0]["text"]
    assert relay.connections == 0


def test_an_unknown_mailbox_of_the_simulator_fails_and_is_not_suppressed(mail: Mail, relay: Relay) -> None:
    refused = mail.client.post(HELLO | {"emailTo": "nobody@simulator.mailroom"})

    assert (refused.status, refused.body["state"]) == (422, "failed")
    assert mail.client.get("/suppressions").body["items"] == []
    assert relay.connections == 0


def test_real_recipients_of_the_same_message_get_it_through_the_relay(mail: Mail, relay: Relay) -> None:
    everybody = ["anna@example.com", "bounced@simulator.mailroom", "ben@example.com"]
    relay.on("rcpt", reply("450 later"), recipient="ben@example.com")

    answer = mail.client.post(HELLO | {"emailTo": everybody})

    assert answer.body["status"] == "queued"
    assert relay.taken[0].recipients == ("anna@example.com",)
    assert relay.taken[0].parsed["To"] == ", ".join(everybody)
    assert list(mail.fates(answer.body["id"]).values()) == ["sent", "sent", "pending"]
    mail.let_time_pass()
    mail.drain()
    assert mail.states() == ["sent"]
    assert relay.taken[1].recipients == ("ben@example.com",)
    assert recipients(mail, answer.body["id"])["bounced@simulator.mailroom"]["delivery"]["status"] == "bounced"


def test_while_the_relay_is_down_the_simulator_works(make_mail: Any) -> None:
    mail: Mail = make_mail(smtp_port=1)

    answer = mail.client.post(HELLO | {"emailTo": ["anna@example.com", "delivered@simulator.mailroom"]})

    assert answer.status == 202
    assert list(mail.fates(answer.body["id"]).values()) == ["pending", "sent"]


@pytest.mark.parametrize("point", ["claim", "handover", "noted", "finished", "250"])
def test_a_sender_killed_at_any_step_reports_once(
    mail: Mail, start_child: StartChild, relay: Relay, point: str
) -> None:
    to = "bounced@simulator.mailroom"
    message = mail.client.post(HELLO | {"emailTo": to}, Prefer="respond-async").body["id"]
    child = start_child(mail, "notification-sender", point)
    say(child, {})
    assert killed(child)
    mail.let_time_pass()
    mail.drain()

    assert mail.states() == ["sent"]
    assert recipients(mail, message)[to]["delivery"]["status"] == "bounced"
    document = mail.collection.find_one({"_id": ObjectId(message)})
    assert document is not None
    assert [each.get("unfinished", False) for each in document["reports"]] == [False]
    lost = "interrupted" if point == "claim" else "unknown"
    assert [each["outcome"] for each in document["attempts"]] == [lost, "sent"]
    assert relay.connections == 0
