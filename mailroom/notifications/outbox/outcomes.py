"""What the result of an attempt means: the next state of the message, and the status of each recipient."""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import replace

from mailroom.notifications.model.messages import Recipient, RecipientStatus, Result, State, Verdict
from mailroom.platform.retries import Retries

# The longest wait, in seconds, while the relay does not answer. It says nothing about the message, so the mail should
# go soon after the relay is back.
RELAY_DOWN_LONGEST = 300.0


class Decision(msgspec.Struct, frozen=True):
    """`wait` is the seconds until the next attempt, or None without one. `error` is empty if every recipient got it."""

    state: State
    recipients: tuple[Recipient, ...]
    wait: float | None
    error: str


def decide(
    recipients: tuple[Recipient, ...], result: Result, attempts: int, age: float, retries: Retries, *, hold: bool
) -> Decision:
    """`attempts` is how many there were, `age` is in seconds.

    With `hold`, a message whose outcome is unknown waits for a person, when nobody is left to be tried again. Otherwise
    it is sent again.
    """
    judged = tuple(_judge(recipient, result.verdicts.get(recipient.wire), hold) for recipient in recipients)
    wait = None
    if _state(judged) is State.QUEUED:
        if age >= retries.give_up:
            judged = tuple(_give_up(recipient) for recipient in judged)
        else:
            wait = retries.wait(attempts, RELAY_DOWN_LONGEST if result.relay_down else math.inf)
    return Decision(_state(judged), judged, wait, _error(judged))


def reopen(recipients: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
    """Makes every recipient pending who has not got the message; all of them if all have got it."""
    sent = RecipientStatus.SENT
    all_sent = all(recipient.status is sent for recipient in recipients)
    return tuple(
        replace(recipient, status=RecipientStatus.PENDING) if all_sent or recipient.status is not sent else recipient
        for recipient in recipients
    )


def _judge(recipient: Recipient, verdict: Verdict | None, hold: bool) -> Recipient:
    if verdict is None:
        return recipient
    again = verdict.status is RecipientStatus.UNKNOWN and not hold
    status = RecipientStatus.PENDING if again else verdict.status
    return replace(recipient, status=status, code=verdict.code, text=verdict.text)


def _give_up(recipient: Recipient) -> Recipient:
    if recipient.status is not RecipientStatus.PENDING:
        return recipient
    return replace(recipient, status=RecipientStatus.FAILED, text=f"given up: {recipient.text}")


def _state(recipients: tuple[Recipient, ...]) -> State:
    statuses = {recipient.status for recipient in recipients}
    if RecipientStatus.PENDING in statuses:
        return State.QUEUED
    if RecipientStatus.UNKNOWN in statuses:
        return State.UNKNOWN
    if statuses == {RecipientStatus.SENT}:
        return State.SENT
    if RecipientStatus.SENT in statuses:
        return State.PARTIAL
    return State.SUPPRESSED if statuses == {RecipientStatus.SUPPRESSED} else State.FAILED


def _error(recipients: tuple[Recipient, ...]) -> str:
    """The first answer that kept the message from a recipient."""
    for recipient in recipients:
        if recipient.status is not RecipientStatus.SENT:
            return f"{recipient.shown}: {recipient.code or ''} {recipient.text}".replace(":  ", ": ").strip()
    return ""
