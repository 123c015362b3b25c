"""A crash at each step: SIGKILL for a real process, then another sender.

    insert      claim       RCPT        dot on its way      250, not yet noted
resend: 1       1           1           1 or 2              2
hold:   1       1           1           0 or 1              1
"""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from mailroom.notifications.model.messages import Result, State
from mailroom.notifications.outbox.changes import FinishedAttempt
from mailroom.notifications.outbox.claims import ClaimedMessage
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.outbox.outcomes import Decision
from tests.integration.notifications.children import StartChild, hear, killed, say, stopped
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Peer, Relay, call
from tests.support.waiting import eventually

HELLO = {"emailTo": "anna@example.com", "subject": "Hello", "message": "<p>x</p>"}


@pytest.mark.parametrize("policy", ["resend", "hold"])
@pytest.mark.parametrize(
    ("point", "resend", "hold"),
    [
        ("claim", {1}, {1}),
        ("rcpt", {1}, {1}),
        ("data", {1}, {1}),
        ("handover", {1}, {0}),
        ("dot", {2}, {1}),
        ("250", {2}, {1}),
    ],
)
def test_a_sender_killed_at_any_step_loses_and_doubles_nothing(
    make_mail: Any, start_child: StartChild, relay: Relay, point: str, resend: set[int], hold: set[int], policy: str
) -> None:
    mail: Mail = make_mail(unknown_outcome=policy)
    mail.client.post(HELLO, Prefer="respond-async")
    child = start_child(mail, "notification-sender", point)
    if point in ("rcpt", "data", "dot"):
        relay.on("content" if point == "dot" else point, call(child.kill))

    say(child, {})
    assert killed(child)
    doubtful = point in ("handover", "dot", "250")
    eventually(lambda: mail.states() == ["sending" if doubtful else "queued"])
    assert mail.drain() == 0  # its claim, or its lease, holds still
    mail.let_time_pass()
    mail.drain()

    assert len(relay.received) in (resend if policy == "resend" else hold)
    assert len({each.parsed["Message-ID"] for each in relay.received}) <= 1
    unknown = policy == "hold" and doubtful
    assert mail.states() == ["unknown" if unknown else "sent"]
    [document] = mail.collection.find()
    interrupted = "unknown" if doubtful else "interrupted"
    assert [each["outcome"] for each in document["attempts"]] == [interrupted, "unknown" if unknown else "sent"]
    mail.let_time_pass()
    assert mail.drain() == 0


@pytest.mark.parametrize("point", ["handover", "250", "recorded"])
def test_a_kill_loses_and_doubles_no_announcement(
    mail: Mail, start_child: StartChild, relay: Relay, point: str
) -> None:
    mail.client.post({"url": "https://example.com/", "events": ["notification.sent"]}, "/webhooks")
    mail.client.post(HELLO, Prefer="respond-async")
    child = start_child(mail, "notification-sender", point)

    say(child, {})
    assert killed(child)
    [document] = mail.collection.find()
    before = document.get("announcements", [])
    assert [each["type"] for each in before] == (["notification.sent"] if point == "recorded" else [])
    mail.let_time_pass()
    mail.drain()

    [document] = mail.collection.find()
    assert document["state"] == "sent"
    assert [each["type"] for each in document["announcements"]] == ["notification.sent"]
    assert before in ([], document["announcements"])


@pytest.mark.parametrize("policy", ["resend", "hold"])
def test_after_a_kill_after_the_insert_the_message_is_sent_once(
    make_mail: Any, start_child: StartChild, relay: Relay, policy: str
) -> None:
    mail: Mail = make_mail(unknown_outcome=policy)
    child = start_child(mail, "notifications", "insert")

    say(child, HELLO)
    assert killed(child)
    assert mail.states() == ["queued"]
    assert mail.drain() == 1

    assert mail.states() == ["sent"]
    assert len(relay.taken) == 1


def test_after_a_kill_after_the_answer_the_message_is_sent_later(
    mail: Mail, start_child: StartChild, relay: Relay
) -> None:
    child = start_child(mail, "notifications", Prefer="respond-async")

    say(child, HELLO)
    status, body = hear(child)
    child.kill()
    assert (status, body["status"]) == (202, "queued")
    mail.drain()

    assert mail.client.get(f"/{body['id']}").body["status"] == "sent"
    assert len(relay.taken) == 1


def test_a_paused_sender_cannot_send_what_another_has_sent(mail: Mail, start_child: StartChild, relay: Relay) -> None:
    mail.client.post(HELLO, Prefer="respond-async")
    child = start_child(mail, "notification-sender")

    async def pause(peer: Peer) -> str:
        """Pauses the process. Returns once all its threads have stopped."""
        child.send_signal(signal.SIGSTOP)
        while not stopped(child.pid):
            await asyncio.sleep(0.005)
        return ""

    relay.on("rcpt", pause)

    say(child, {})
    eventually(lambda: stopped(child.pid))
    assert mail.states() == ["queued"]
    mail.let_time_pass()
    mail.drain()
    assert mail.states() == ["sent"]
    [before] = mail.collection.find()
    child.send_signal(signal.SIGCONT)

    assert hear(child) == [200, {"done": 1}]
    assert list(mail.collection.find()) == [before]
    assert len(relay.received) == 1


def test_a_late_write_is_refused(mail: Mail) -> None:
    mail.client.post(HELLO, Prefer="respond-async")
    outbox = mail.outbox(lease_seconds=1.0)
    eventually(lambda: bool(outbox.due(10)))  # the clocks of two processes differ by milliseconds
    due = outbox.due(10)
    [late] = outbox.claim(due)
    assert (outbox.claim(due), outbox.due(10)) == ([], [])
    mail.let_time_pass()
    [newer] = outbox.claim(outbox.due(10))
    assert (late.epoch, newer.epoch, newer.in_doubt) == (0, 1, False)
    refuses(mail, outbox, late)

    assert outbox.hand_over([newer]) == [True]
    refuses(mail, outbox, late)
    assert outbox.due(10) == []
    mail.let_time_pass()
    [newest] = outbox.claim(outbox.due(10))
    assert (newest.epoch, newest.in_doubt) == (2, True)
    refuses(mail, outbox, newer)
    refuses(mail, outbox, late)
    assert outbox.hand_over([newest]) == [True]
    assert outbox.record([sent(newest)]) == [True]


def test_a_claim_that_a_crash_left_without_a_lease_holds_nobody_up(mail: Mail) -> None:
    mail.client.post(HELLO, Prefer="respond-async")
    outbox = mail.outbox()
    eventually(lambda: bool(outbox.due(10)))
    [late] = outbox.claim(outbox.due(10))
    mail.services.database["leases"].delete_one({})

    [newer] = outbox.claim(outbox.due(10))

    assert outbox.hand_over([late, newer]) == [False, True]


def sent(claim: ClaimedMessage) -> FinishedAttempt:
    return FinishedAttempt(claim, Decision(State.SENT, (), None, ""), Result({}))


def refuses(mail: Mail, outbox: Outbox, late: ClaimedMessage) -> None:
    """Asserts that no write with this claim changes anything."""
    [before] = mail.collection.find()
    assert outbox.hand_over([late]) == [False]
    assert outbox.record([sent(late)]) == [False]
    assert list(mail.collection.find()) == [before]


def test_two_senders_share_the_work_and_send_nothing_twice(mail: Mail, start_child: StartChild, relay: Relay) -> None:
    for number in range(40):
        mail.client.post(HELLO | {"subject": str(number)}, Prefer="respond-async")
    children = [start_child(mail, "notification-sender") for _ in range(2)]

    for child in children:
        say(child, {})
    done = [hear(child)[1]["done"] for child in children]

    assert sum(done) == 40
    assert sorted(int(each.parsed["Subject"]) for each in relay.taken) == list(range(40))
