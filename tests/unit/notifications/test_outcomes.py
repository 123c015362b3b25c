"""The next state of a message after an attempt, and the time of the next attempt."""

from __future__ import annotations

import pytest

from mailroom.notifications.model.messages import Recipient, RecipientStatus, Result, State, Verdict
from mailroom.notifications.outbox.outcomes import RELAY_DOWN_LONGEST, decide
from mailroom.platform.retries import Retries

RETRIES = Retries(first=60, longest=14_400, give_up=1000, random=lambda: 1.0)


def recipients(*fates: RecipientStatus) -> tuple[Recipient, ...]:
    return tuple(Recipient(f"{n}@example.com", f"{n}@example.com", status=fate) for n, fate in enumerate(fates))


def result(*outcomes: RecipientStatus | None, relay_down: bool = False) -> Result:
    verdicts = {
        f"{n}@example.com": Verdict(outcome, 250, "text") for n, outcome in enumerate(outcomes) if outcome is not None
    }
    return Result(verdicts, relay_down=relay_down)


T, R, D, U = RecipientStatus.SENT, RecipientStatus.FAILED, RecipientStatus.PENDING, RecipientStatus.UNKNOWN


@pytest.mark.parametrize(
    ("outcomes", "age", "hold", "state"),
    [
        ((T,), 0, False, State.SENT),
        ((T, T), 0, False, State.SENT),
        ((R,), 0, False, State.FAILED),
        ((T, R), 0, False, State.PARTIAL),
        ((D,), 0, False, State.QUEUED),
        ((T, D), 0, False, State.QUEUED),
        ((R, D), 0, False, State.QUEUED),
        ((T, D), 1000, False, State.PARTIAL),
        ((R, D), 1000, False, State.FAILED),
        ((D,), 1000, False, State.FAILED),
        ((D,), 999, False, State.QUEUED),
        ((U,), 0, False, State.QUEUED),
        ((U,), 0, True, State.UNKNOWN),
        ((U, R), 0, True, State.UNKNOWN),
        ((U, D), 0, True, State.QUEUED),
        ((U, D), 1000, True, State.UNKNOWN),
        ((U,), 1000, True, State.UNKNOWN),
        ((U,), 1000, False, State.FAILED),
    ],
)
def test_each_outcome_leads_to_its_state(
    outcomes: tuple[RecipientStatus, ...], age: float, hold: bool, state: State
) -> None:
    decision = decide(
        recipients(*[RecipientStatus.PENDING] * len(outcomes)), result(*outcomes), 1, age, RETRIES, hold=hold
    )

    assert decision.state is state
    assert (decision.wait is None) is (state is not State.QUEUED)
    assert bool(decision.error) is (state is not State.SENT)


def test_recipients_without_a_verdict_keep_their_state() -> None:
    decision = decide(
        recipients(RecipientStatus.SENT, RecipientStatus.PENDING), result(None, T), 2, 0, RETRIES, hold=False
    )

    assert [each.status for each in decision.recipients] == [RecipientStatus.SENT, RecipientStatus.SENT]
    assert decision.recipients[0].code is None


def test_nobody_left_is_suppressed() -> None:
    assert decide(recipients(RecipientStatus.SUPPRESSED), result(), 1, 0, RETRIES, hold=False).state is State.SUPPRESSED
    assert decide(
        recipients(RecipientStatus.SUPPRESSED, RecipientStatus.PENDING), result(None, T), 1, 0, RETRIES, hold=False
    ).state is (State.PARTIAL)


def test_the_wait_doubles_up_to_the_longest_with_half_of_it_random() -> None:
    waits = [RETRIES.wait(attempts) for attempts in (1, 2, 3, 9, 10, 1000)]
    least = Retries(first=60, longest=14_400, give_up=1, random=lambda: 0.0)

    assert waits == [60, 120, 240, 14_400, 14_400, 14_400]
    assert [least.wait(attempts) for attempts in (1, 2, 1000)] == [30, 60, 7200]


def test_a_relay_that_is_down_is_tried_again_soon() -> None:
    decision = decide(recipients(D), result(D, relay_down=True), 50, 0, RETRIES, hold=False)

    assert decision.wait == RELAY_DOWN_LONGEST
