"""Why a message waits, told by the API: each situation is made, and nothing of it is pretended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from mailroom.notifications import worker as working
from mailroom.notifications.indexes import INDEXES
from mailroom.platform.kick import SENDER
from mailroom.platform.setup_note import write_note
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, reply
from tests.integration.notifications.test_files import put, store
from tests.support.commands import RECORDER
from tests.support.ports import free_port

HELLO = {"emailTo": "a@example.com", "subject": "Hello", "message": "<p>x</p>"}

MakeMail = Callable[..., Mail]


def accept(mail: Mail, **more: Any) -> str:
    """Stores a message that the sender is to send. Returns its id."""
    answer = mail.client.post(HELLO | more, Prefer="respond-async")
    assert answer.status == 202, answer.body
    return str(answer.body["id"])


def set_up(mail: Mail) -> None:
    """Notes what set-up would note."""
    made = {name: [model.document["name"] for model in wanted] for name, wanted in INDEXES.items()}
    write_note(mail.services.database["workers"], made, mail.services.clock.now())


def waiting_for(mail: Mail, message: str) -> Any:
    answer = mail.client.get(f"/{message}")
    assert answer.status == 200, answer.body
    return answer.body["waitingFor"]


def test_without_a_sender_a_message_waits_for_one(mail: Mail) -> None:
    message = accept(mail)
    waiting = waiting_for(mail, message)
    assert (waiting["code"], waiting["since"]) == ("worker", None)
    assert "notification-sender was never called" in waiting["text"]

    mail.drain()
    assert waiting_for(mail, message) is None

    workers = mail.services.database["workers"]
    workers.update_one({"_id": SENDER}, [{"$set": {"calledAt": {"$subtract": ["$calledAt", 600_000]}}}])
    waiting = waiting_for(mail, accept(mail))
    assert waiting["code"] == "worker"
    assert waiting["text"].startswith("No notification-sender was called since 20")


def test_a_message_that_the_relay_defers_tells_its_answer(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("451 4.7.1 greylisted, come back later"))
    message = mail.client.post(HELLO).body["id"]
    waiting = waiting_for(mail, message)
    assert waiting["code"] == "relay"
    text = "The relay said 451 (rcpt): 4.7.1 greylisted, come back later; the next attempt is due at 20"
    assert waiting["text"].startswith(text)
    assert waiting["since"]


def test_while_the_relay_is_down_every_message_waits_for_it(mail: Mail, relay: Relay) -> None:
    set_up(mail)
    relay.stop()
    messages = [accept(mail) for _ in range(40)]
    mail.drain()
    told = [waiting_for(mail, each) for each in messages]
    assert {each["code"] for each in told} == {"relay"}
    tried = [each for each in told if each["text"].startswith("The relay did not answer (connect): SMTPConnectError")]
    assert tried
    others = [each for each in told if each not in tried]
    assert others, "the sender tries few of them"
    text = "The last call of notification-sender failed: the relay did not answer (connect): SMTPConnectError"
    assert all(each["text"].startswith(text) for each in others)

    relay.start()
    mail.let_time_pass()
    while mail.drain():
        pass
    assert [waiting_for(mail, each) for each in messages] == [None] * 40
    noted = mail.services.database["workers"].find_one({"_id": SENDER})
    assert noted is not None
    assert "failure" not in noted


def test_a_message_for_later_tells_when(mail: Mail) -> None:
    waiting = waiting_for(mail, accept(mail, sendAt="2090-01-31T12:00:00Z"))
    assert waiting["code"] == "schedule"
    assert waiting["text"] == "It is to be sent at 2090-01-31 12:00:00 UTC, as was asked."


def test_a_message_that_a_sender_has_tells_until_when(mail: Mail) -> None:
    message = accept(mail)
    outbox = mail.outbox()
    [claimed] = outbox.claim(outbox.due(10))
    waiting = waiting_for(mail, message)
    assert waiting["code"] == "lease"
    assert f"{claimed.claimed_at + timedelta(seconds=90):%H:%M:%S} UTC" in waiting["text"]


def test_a_message_waits_for_its_turn(mail: Mail) -> None:
    set_up(mail)
    mail.drain()
    low = accept(mail, priority="low")
    normal, other, high = accept(mail), accept(mail), accept(mail, priority="high")
    told = {each: waiting_for(mail, each) for each in (low, normal, other, high)}
    assert {each["code"] for each in told.values()} == {"turn"}
    assert "the next message" in told[high]["text"]
    assert "behind 1 other message." in told[normal]["text"]
    assert "behind 2 other messages." in told[other]["text"]
    assert "behind 3 other messages." in told[low]["text"]


def test_a_set_up_that_is_older_than_the_code_is_told(mail: Mail) -> None:
    mail.drain()
    assert waiting_for(mail, accept(mail))["code"] == "setup"


def test_an_attachment_that_cannot_be_read_is_told(make_mail: MakeMail) -> None:
    mail = make_mail()
    store(mail).make_bucket(mail.services.settings.attachments_bucket)
    put(mail, "report.pdf", b"x")
    message = accept(mail, attachments=[{"object": "report.pdf"}])
    away = make_mail(s3_endpoint=f"http://127.0.0.1:{free_port()}", s3_timeout_seconds=0.5)
    assert working.create_worker(away.services)()["statusCode"] == 200
    waiting = waiting_for(mail, message)
    assert waiting["code"] == "retry"
    assert "The last attempt failed: a@example.com: " in waiting["text"]
    assert "the object store" in waiting["text"]


def test_a_message_whose_outcome_is_unknown_waits_for_a_person(make_mail: MakeMail, relay: Relay) -> None:
    mail = make_mail(unknown_outcome="hold")
    relay.on("content", reply("not SMTP at all"))
    message = mail.client.post(HELLO).body["id"]
    found = mail.client.get(f"/{message}").body
    assert found["status"] == "unknown", found
    assert found["waitingFor"]["code"] == "person"
    assert "resend" in found["waitingFor"]["text"]


def test_to_ask_costs_few_queries(mail: Mail) -> None:
    set_up(mail)
    mail.drain()
    message = accept(mail)
    with RECORDER.of("notifications") as used:
        assert waiting_for(mail, message)["code"] == "turn"
    wanted = {(name, "find") for name in ("notifications", "leases", "claims", "workers")}
    assert used - {("apiKeys", "find")} == wanted
    mail.drain()
    with RECORDER.of("notifications") as used:
        assert waiting_for(mail, message) is None
    assert ("workers", "find") not in used
