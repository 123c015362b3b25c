"""Why a message waits: one sentence for each situation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailroom.notifications.model.messages import State, Step, refusal_in
from mailroom.notifications.outbox.claims import MessageLease
from mailroom.notifications.outbox.waiting import DueMessage, LastAttempt, of_message
from mailroom.platform.waiting import WorkerState
from mailroom.platform.worker_calls import Failure

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SOON, BEFORE = NOW + timedelta(seconds=20), NOW - timedelta(seconds=20)

WELL = WorkerState("notification-sender", called_at=BEFORE)
IDLE = WorkerState("notification-sender", called_at=NOW - timedelta(minutes=3))
NO_RELAY = WorkerState(
    "notification-sender",
    called_at=BEFORE,
    failure=Failure("relay", "the relay did not answer (connect): refused", BEFORE, BEFORE),
)

LATER = LastAttempt([Step("mail", 250, "ok", 1.0), Step("rcpt", 451, "4.7.1 later", 1.0)], BEFORE)
NO_ANSWER = LastAttempt([Step("connect", None, "ConnectionRefusedError: no", 1.0)], BEFORE)


def message(due_at: datetime | None = BEFORE, state: State = State.QUEUED, **other: Any) -> DueMessage:
    return DueMessage(state, due_at, created_at=BEFORE, updated_at=BEFORE, **other)


@pytest.mark.parametrize(
    ("waits", "sender", "code", "text"),
    [
        (message(), IDLE, "worker", "No notification-sender was called since 2026-01-31 11:57:00 UTC"),
        (message(ahead=1), WELL, "turn", "behind 1 other message."),
        (message(), WELL, "turn", "the next message"),
        (message(state=State.SENDING), WELL, "turn", "the next message"),
        (message(SOON), IDLE, "schedule", "It is to be sent at 2026-01-31 12:00:20 UTC, as was asked."),
        (
            message(SOON, tried=True, last=LATER),
            WELL,
            "relay",
            "The relay said 451 (rcpt): 4.7.1 later; the next attempt is due at 2026-01-31 12:00:20 UTC.",
        ),
        (message(SOON, tried=True, last=NO_ANSWER), WELL, "relay", "The relay did not answer (connect): Connection"),
        (message(SOON, tried=True, error="a@x: the store is away"), WELL, "retry", "failed: a@x: the store is away;"),
        (message(SOON, tried=True), WELL, "retry", "The last attempt failed; the next is due"),
        (message(tried=True, last=LATER), NO_RELAY, "relay", "the relay did not answer (connect): refused."),
        (message(lease=MessageLease(BEFORE, SOON)), IDLE, "lease", "A sender has it, with a lease until"),
        (message(lease=MessageLease(BEFORE, BEFORE)), WELL, "turn", "the next message"),
        (message(None, State.UNKNOWN), IDLE, "person", "Whether the relay took it is not known"),
    ],
)
def test_why_a_message_waits(waits: DueMessage, sender: WorkerState, code: str, text: str) -> None:
    waiting = of_message(waits, sender, NOW)
    assert waiting is not None
    assert waiting.code == code
    assert text in waiting.text
    assert waiting.since is not None


@pytest.mark.parametrize("state", [State.SENT, State.PARTIAL, State.FAILED, State.SUPPRESSED, State.CANCELLED])
def test_a_message_that_has_ended_waits_for_nothing(state: State) -> None:
    assert of_message(message(None, state), IDLE, NOW) is None


OK, LATER_STEP = Step("mail", 250, "ok", 1.0), Step("rcpt", 451, "later", 1.0)
NO_MORE = Step("data", 503, "need RCPT", 1.0)
LOST = Step("mail", None, "closed", 1.0)


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([], ""),
        ([OK], ""),
        ([OK, LATER_STEP, NO_MORE], "the relay said 451 (rcpt): later"),
        ([OK, Step("rcpt", 550, "unknown", 1.0), LATER_STEP, NO_MORE], "the relay said 451 (rcpt): later"),
        ([OK, Step("rcpt", 550, "unknown", 1.0), NO_MORE], "the relay said 550 (rcpt): unknown"),
        ([LOST, Step("connect", 220, "hello", 1.0), OK, LATER_STEP], "the relay said 451 (rcpt): later"),
        ([LOST, Step("connect", None, "refused", 1.0)], "the relay did not answer (connect): refused"),
    ],
)
def test_what_the_relay_refused(steps: list[Step], text: str) -> None:
    assert refusal_in(steps) == text
