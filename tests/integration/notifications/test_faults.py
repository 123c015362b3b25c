"""The relay's possible answers, and the status of each recipient after them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Fault, Relay, disconnect, hang, reply, reply_and_close
from tests.support.waiting import eventually


@pytest.fixture(params=["PIPELINING", ""], ids=["pipelining", "one-by-one"])
def relay(relay: Relay, request: pytest.FixtureRequest) -> Relay:
    """A relay with and without pipelining."""
    relay.extensions = ("SMTPUTF8", request.param)
    return relay


MIX = {"emailTo": ["a@example.com", "b@example.com", "c@example.com"], "subject": "Mix", "message": "<p>x</p>"}
ONE = {"emailTo": "a@example.com", "subject": "One", "message": "<p>x</p>"}


def test_only_deferred_recipients_are_retried(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("450 4.2.1 later"), recipient="b@example.com")
    relay.on("rcpt", reply("550 5.1.1 unknown"), recipient="c@example.com")

    answer = mail.client.post(MIX)
    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert mail.fates(answer.body["id"]) == {
        "a@example.com": "sent",
        "b@example.com": "pending",
        "c@example.com": "failed",
    }

    mail.let_time_pass()
    mail.drain()

    assert [each.recipients for each in relay.taken] == [("a@example.com",), ("b@example.com",)]
    assert len({each.parsed["Message-ID"] for each in relay.taken}) == 1
    assert relay.taken[0].content == relay.taken[1].content
    one = mail.client.get(f"/{answer.body['id']}").body
    assert (one["status"], one["attemptCount"]) == ("partial", 2)
    assert mail.fates(one["id"]) == {"a@example.com": "sent", "b@example.com": "sent", "c@example.com": "failed"}
    assert "unknown" in one["error"]["message"]


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("mail", reply("451 4.3.0 later")),
        ("rcpt", reply("450 4.2.1 later")),
        ("rcpt", reply_and_close("421 4.3.2 closing")),
        ("rcpt", disconnect),
        ("data", reply("454 4.7.0 later")),
        ("data", reply_and_close("421 4.3.2 closing")),
        ("data", disconnect),
        ("content", reply("452 4.3.1 full")),
        ("content", reply("454 4.7.0 later")),
        ("mail", hang),
        ("rcpt", hang),
    ],
)
@pytest.mark.parametrize("policy", ["resend", "hold"])
def test_a_temporary_fault_defers_and_the_next_attempt_sends(
    make_mail: Any, relay: Relay, step: str, fault: Fault, policy: str
) -> None:
    # The limit is for the next attempt too, and the machine may be busy.
    limit = {"smtp_timeout_seconds": 1.0} if fault is hang else {}
    mail: Mail = make_mail(unknown_outcome=policy, **limit)
    relay.on(step, fault)

    answer = mail.client.post(ONE)
    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert relay.taken == []

    mail.let_time_pass()
    mail.drain()
    assert mail.states() == ["sent"]
    assert len(relay.taken) == 1
    # A connection with a fault must not affect the next message.
    assert mail.client.post(ONE).body["status"] == "sent"


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "content"])
def test_a_permanent_refusal_is_final(mail: Mail, relay: Relay, step: str) -> None:
    relay.on(step, reply("554 5.7.1 not wanted"))

    assert mail.client.post(ONE).status == 422

    mail.let_time_pass()
    assert mail.drain() == 0
    assert mail.states() == ["failed"]
    assert mail.client.post(ONE).body["status"] == "sent"


def test_421_after_the_first_recipient_delivers_to_nobody_twice(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply_and_close("421 4.3.2 closing"), recipient="b@example.com")

    answer = mail.client.post(MIX)
    assert set(mail.fates(answer.body["id"]).values()) == {"pending"}

    mail.let_time_pass()
    mail.drain()
    assert [each.recipients for each in relay.taken] == [tuple(MIX["emailTo"])]


@pytest.mark.parametrize("fault", [disconnect, hang], ids=["disconnect", "hang"])
@pytest.mark.parametrize(("policy", "state", "copies"), [("resend", "sent", 2), ("hold", "unknown", 1)])
def test_no_answer_after_the_final_dot_makes_the_outcome_unknown(
    make_mail: Any, relay: Relay, fault: Fault, policy: str, state: str, copies: int
) -> None:
    mail: Mail = make_mail(unknown_outcome=policy, smtp_data_timeout_seconds=1.0)
    relay.on("content", fault)

    mail.client.post(ONE)
    mail.let_time_pass()
    mail.drain()

    assert mail.states() == [state]
    eventually(lambda: len(relay.received) == copies)
    assert len({each.parsed["Message-ID"] for each in relay.received}) == 1


def test_with_hold_a_deferred_recipient_is_retried_and_one_in_doubt_is_not(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(unknown_outcome="hold")
    relay.on("rcpt", reply("450 4.2.1 later"), recipient="b@example.com")
    relay.on("content", disconnect)

    message = mail.client.post(MIX).body["id"]
    mail.let_time_pass()
    mail.drain()

    assert [each.recipients for each in relay.received] == [("a@example.com", "c@example.com"), ("b@example.com",)]
    statuses = {"a@example.com": "unknown", "b@example.com": "sent", "c@example.com": "unknown"}
    assert (mail.fates(message), mail.states()) == (statuses, ["unknown"])


def test_a_connection_that_ends_before_the_content_is_sent_leaves_no_doubt(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(unknown_outcome="hold")
    # In one packet, so the connection has ended before the hand-over is noted.
    relay.on("data", reply("354 go on\r\n421 4.4.2 too slow"))

    answer = mail.client.post(ONE)
    assert (answer.status, answer.body["status"]) == (202, "queued")

    mail.let_time_pass()
    mail.drain()
    assert mail.states() == ["sent"]
    assert len(relay.received) == 1


def test_a_relay_that_resets_nothing_gets_the_next_message_on_a_new_connection(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("550 5.1.1 unknown"))
    relay.on("rset", reply("502 5.5.1 not implemented"))
    mail.client.post(ONE)

    assert mail.client.post(ONE | {"emailTo": "b@example.com"}).body["status"] == "sent"
    assert relay.connections == 2


def test_data_that_is_accepted_though_nobody_is_left_brings_nobody_an_empty_mail(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("550 5.7.1 not wanted"))
    relay.on("data", reply("354 go ahead"))

    assert mail.client.post(ONE).status == 422

    relay.next_fault("data")  # which commands that go one by one never come to
    assert mail.client.post(ONE).body["status"] == "sent"
    assert [each.parsed["Subject"] for each in relay.received] == ["One"]


def test_a_message_is_given_up_at_last(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(retry_give_up_hours=0.0)
    relay.on("rcpt", reply("450 4.2.1 later"), recipient="b@example.com")

    assert mail.client.post(MIX).body["status"] == "partial"

    [document] = mail.collection.find()
    assert document["recipients"][1]["text"] == "given up: 4.2.1 later"
    assert "dueAt" not in document


def test_the_wait_grows_and_each_attempt_keeps_its_transcript(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("450 4.2.1 later"), times=3)
    message = mail.client.post(ONE).body["id"]
    waits = [mail.wait_of(message)]
    for _ in range(2):
        mail.let_time_pass()
        mail.drain()
        waits.append(mail.wait_of(message))

    assert [first <= wait <= 2 * first for first, wait in zip((30, 60, 120), waits, strict=True)] == [True] * 3
    one = mail.client.get(f"/{message}").body
    assert [each["outcome"] for each in one["attempts"]] == ["queued"] * 3
    steps = one["attempts"][0]["steps"]
    assert [(each["step"], each["code"]) for each in steps] == [
        ("connect", 220),
        ("mail", 250),
        ("rcpt", 450),
        *([("data", 503)] if "PIPELINING" in relay.extensions else []),
        ("rset", 250),
    ]
    assert steps[2]["recipient"] == "a@example.com"
    assert steps[2]["text"] == "4.2.1 later"
    assert all(each["milliseconds"] >= 0 for each in steps)
