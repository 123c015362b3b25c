"""What an attempt's result means for the message: its next state, and the fate of each recipient."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from mailroom.notifications.model.messages import Outcome, Recipient, RecipientStatus, Result, State, Verdict
from mailroom.notifications.outbox.retries import Retries

_FATES = {
    Outcome.TAKEN: RecipientStatus.SENT,
    Outcome.REFUSED: RecipientStatus.FAILED,
    Outcome.DEFERRED: RecipientStatus.PENDING,
    Outcome.SUPPRESSED: RecipientStatus.SUPPRESSED,
}


class Decision(msgspec.Struct, frozen=True):
    """`wait` is the seconds until the next attempt, None when there is none; `error` is empty when all got it."""

    state: State
    recipients: tuple[Recipient, ...]
    wait: float | None
    error: str


def decide(
    recipients: tuple[Recipient, ...], result: Result, attempts: int, age: float, retries: Retries, *, hold: bool
) -> Decision:
    """`attempts` so far, `age` in seconds; with `hold` an unknown outcome waits for a person, else it is sent again."""
    judged = tuple(_judge(recipient, result.verdicts.get(recipient.address.wire), hold) for recipient in recipients)
    fates = {recipient.status for recipient in judged}
    if RecipientStatus.UNKNOWN in fates:
        return Decision(State.UNKNOWN, judged, None, _error(judged))
    if RecipientStatus.PENDING not in fates:
        return Decision(_final(fates), judged, None, _error(judged))
    if retries.exhausted(age):
        judged = tuple(_give_up(recipient) for recipient in judged)
        return Decision(_final({recipient.status for recipient in judged}), judged, None, _error(judged))
    return Decision(State.QUEUED, judged, retries.wait(attempts, relay_down=result.relay_down), _error(judged))


def reopen(recipients: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
    """Everybody who has not got the message is to get it; everybody, when all have."""
    all_have = all(recipient.status is RecipientStatus.SENT for recipient in recipients)
    return tuple(
        replace(recipient, status=RecipientStatus.PENDING)
        if all_have or recipient.status is not RecipientStatus.SENT
        else recipient
        for recipient in recipients
    )


def _judge(recipient: Recipient, verdict: Verdict | None, hold: bool) -> Recipient:
    if verdict is None:
        return recipient
    fate = _FATES.get(verdict.outcome, RecipientStatus.UNKNOWN if hold else RecipientStatus.PENDING)
    return Recipient(recipient.address, recipient.kind, fate, verdict.code, verdict.text)


def _give_up(recipient: Recipient) -> Recipient:
    if recipient.status is not RecipientStatus.PENDING:
        return recipient
    return replace(recipient, status=RecipientStatus.FAILED, text=f"given up: {recipient.text}")


def _final(fates: set[RecipientStatus]) -> State:
    if fates == {RecipientStatus.SENT}:
        return State.SENT
    if RecipientStatus.SENT in fates:
        return State.PARTIAL
    return State.SUPPRESSED if fates == {RecipientStatus.SUPPRESSED} else State.FAILED


def _error(recipients: tuple[Recipient, ...]) -> str:
    """The first answer that kept the message from somebody."""
    for recipient in recipients:
        if recipient.status is not RecipientStatus.SENT:
            return f"{recipient.address.shown}: {recipient.code or ''} {recipient.text}".replace(":  ", ": ").strip()
    return ""
