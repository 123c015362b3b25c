"""Accepting a message and delivering it while the caller waits."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, disconnect, reply, slow

HELLO = {"emailTo": "anna@example.com", "subject": "Hello", "message": "<p>Good <b>morning</b></p>"}


def test_a_message_is_sent_while_the_caller_waits(mail: Mail, relay: Relay) -> None:
    answer = mail.client.post(HELLO)

    assert answer.status == 200
    expected = {"result": "OK", "message": "The notification was sent", "id": answer.body["id"], "status": "sent"}
    assert answer.body == expected
    [received] = relay.taken
    assert received.sender == "mailroom@ours.example.com"
    assert received.recipients == ("anna@example.com",)
    parsed = received.parsed
    assert (parsed["To"], parsed["Subject"]) == ("anna@example.com", "Hello")
    assert parsed["From"] == "Mailroom <mailroom@ours.example.com>"
    assert received.body("html") == "<p>Good <b>morning</b></p>"
    assert received.body("plain") == "Good morning"


def test_a_text_that_does_not_end_its_last_line_and_has_lone_dots_arrives(mail: Mail, relay: Relay) -> None:
    text = ".\n..\n.a\nlast"

    answer = mail.client.post({"emailTo": "anna@example.com", "subject": "Text", "text": text})

    assert answer.body["status"] == "sent"
    assert relay.taken[0].body("plain").split() == text.split()


def test_the_connection_is_reused(mail: Mail, relay: Relay) -> None:
    for _ in range(5):
        assert mail.client.post(HELLO).status == 200

    assert (relay.connections, len(relay.taken)) == (1, 5)


def test_a_kept_connection_that_the_relay_closed_costs_nothing(mail: Mail, relay: Relay) -> None:
    mail.client.post(HELLO)
    relay.on("mail", disconnect)

    assert mail.client.post(HELLO).body["status"] == "sent"
    assert (relay.connections, len(relay.taken)) == (2, 2)


def test_a_connection_is_replaced_after_its_share_of_messages(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(smtp_messages_per_connection=2)
    for _ in range(5):
        mail.client.post(HELLO)

    assert (relay.connections, len(relay.taken)) == (3, 5)


def test_a_slow_relay_makes_the_answer_202_and_delivery_goes_on(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(send_wait_seconds=0.1)
    go = threading.Event()
    relay.on("content", slow(go))

    answer = mail.client.post(HELLO)
    assert (answer.status, answer.body["result"], answer.body["status"]) == (202, "OK", "queued")

    go.set()
    mail.wait_for_state(answer.body["id"], "sent")
    mail.let_time_pass()
    mail.drain()
    assert len(relay.taken) == 1


def test_a_caller_who_prefers_not_to_wait_is_answered_at_once(mail: Mail, relay: Relay) -> None:
    answer = mail.client.post(HELLO, Prefer="respond-async")

    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert relay.received == []
    assert mail.drain() == 1
    assert len(relay.taken) == 1


def test_a_permanent_refusal_is_answered_and_recorded(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("550 5.1.1 no such mailbox"))

    answer = mail.client.post(HELLO)

    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.body["result"], answer.body["code"]) == ("FAILED", "notification.refused")
    assert "no such mailbox" in answer.body["message"]
    assert mail.client.get(f"/{answer.body['id']}").body["status"] == "failed"
    mail.let_time_pass()
    assert mail.drain() == 0


def test_while_the_relay_is_down_a_message_is_queued(mail: Mail, relay: Relay) -> None:
    relay.stop()
    answer = mail.client.post(HELLO)
    assert (answer.status, answer.body["status"]) == (202, "queued")
    mail.let_time_pass()
    mail.drain()
    assert mail.states() == ["queued"]

    relay.start()
    mail.let_time_pass()
    mail.drain()

    assert mail.states() == ["sent"]
    assert len(relay.taken) == 1


def test_a_relay_that_is_down_is_not_asked_once_for_each_message(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(smtp_connections=2)
    relay.stop()
    for _ in range(8):
        mail.client.post(HELLO, Prefer="respond-async")

    assert mail.drain() <= 4
    assert mail.states() == ["queued"] * 8


def test_recipients_of_every_kind_get_the_message(mail: Mail, relay: Relay) -> None:
    answer = mail.client.post(
        {
            "emailTo": ["anna@example.com", "Bert@Example.com", "anna@example.com"],
            "cc": "carl@example.com",
            "bcc": ["dora@example.com"],
            "replyTo": "office@example.com",
            "subject": "Grüße, für alle",
            "html": "<p>HTML</p>",
            "text": "Text only",
        }
    )

    assert answer.body["status"] == "sent"
    [received] = relay.taken
    assert received.recipients == ("anna@example.com", "Bert@example.com", "carl@example.com", "dora@example.com")
    parsed = received.parsed
    assert parsed["To"] == "anna@example.com, Bert@example.com"
    assert (parsed["Cc"], parsed["Reply-To"]) == ("carl@example.com", "office@example.com")
    assert parsed["Subject"] == "Grüße, für alle"
    assert b"dora" not in received.content
    assert (received.body("plain"), received.body("html")) == ("Text only", "<p>HTML</p>")


@pytest.mark.parametrize(
    ("address", "on_the_wire", "utf8"),
    [
        ("jörg@bücher.example", "jörg@bücher.example", True),
        ("anna@bücher.example", "anna@xn--bcher-kva.example", False),
    ],
)
def test_addresses_beyond_ascii_get_the_message(
    mail: Mail, relay: Relay, address: str, on_the_wire: str, utf8: bool
) -> None:
    assert mail.client.post(HELLO | {"emailTo": address}).body["status"] == "sent"

    [received] = relay.taken
    assert received.recipients == (on_the_wire,)
    assert ("SMTPUTF8" in received.options) is utf8


def test_a_relay_that_cannot_carry_an_address_refuses_it(mail: Mail, relay: Relay) -> None:
    relay.extensions = ()

    assert mail.client.post(HELLO | {"emailTo": "jörg@bücher.example"}).status == 422
    assert mail.client.post(HELLO).body["status"] == "sent"


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"emailTo": "no address"}, 422, "emailTo"),
        ({"emailTo": ["anna@example.com", "x@"]}, 422, "emailTo[1]"),
        ({"emailTo": []}, 422, "emailTo"),
        ({"emailTo": [f"a{n}@example.com" for n in range(51)]}, 422, "emailTo"),
        ({"emailTo": "anna@example.com\r\nBcc: eve@example.com"}, 422, "emailTo"),
        ({"emailTo": 5}, 422, "emailTo"),
        ({"cc": "x"}, 422, "cc"),
        ({"subject": "one\r\nBcc: eve@example.com"}, 422, "subject"),
        ({"subject": " "}, 422, "subject"),
        ({"subject": "x" * 501}, 422, "subject"),
        ({"subject": None}, 422, "subject"),
        ({"message": ""}, 422, "message"),
        ({"message": "x" * 500_001}, 422, "message"),
        ({"message": "a\0b"}, 422, "message"),
        ({"text": "x"}, 422, "text"),
        ({"surprise": 1}, 422, "surprise"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_stored(
    mail: Mail, relay: Relay, change: dict[str, Any], status: int, field: str
) -> None:
    answer = mail.client.post(HELLO | change)

    assert (answer.status, answer.body["field"]) == (status, field)
    assert (answer.body["result"], bool(answer.body["message"])) == ("FAILED", True)
    assert mail.states() == []
    assert relay.received == []


@pytest.mark.parametrize("missing", ["emailTo", "subject", "message"])
def test_a_missing_field_is_named(mail: Mail, missing: str) -> None:
    answer = mail.client.post({name: value for name, value in HELLO.items() if name != missing})

    assert (answer.status, answer.body["field"], answer.body["result"]) == (422, missing, "FAILED")


def test_a_body_that_is_not_json_and_a_caller_without_a_key_are_refused(mail: Mail) -> None:
    assert mail.client.call("POST", "/", body=b"{").status == 400
    mail.client.key = "mr_wrong"
    answer = mail.client.post(HELLO)
    assert (answer.status, answer.body["result"]) == (401, "FAILED")
    mail.client.key = mail.services.keys.create("reader", ["notifications:read"]).text
    assert mail.client.post(HELLO).status == 403
    assert mail.states() == []
