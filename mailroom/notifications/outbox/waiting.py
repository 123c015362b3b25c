"""Why a message waits, in one sentence: from what is noted about it, its claim, and the sender.

The first reason that is true is told:

    it has ended                                        nothing, or `person` if its outcome is unknown
    a sender has it                                     lease
    the request asked for a later time                  schedule
    the relay deferred it, or did not answer            relay
    another attempt failed                              retry
    the sender is not called, or fails, or is newer     worker, relay, secret, server, broken, setup
      than the set-up
    other messages are due before it, or none           turn
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from mailroom.notifications.model.messages import State, Step, refusal_in
from mailroom.notifications.outbox.claims import MessageLease
from mailroom.platform.mongo import Document
from mailroom.platform.waiting import Waiting, WorkerState, in_turn, of_worker, shown

MOST_COUNTED = 1000
"""So many messages that are due before another one are counted, and no more."""


class LastAttempt(msgspec.Struct, frozen=True, rename="camel"):
    """The last attempt of a message. `ended_at` is None if its sender was lost."""

    steps: list[Step] = []
    ended_at: datetime | None = None


class DueMessage(msgspec.Struct, frozen=True):
    """What decides why a message waits. `tried`: there was an attempt since it was accepted or resent.

    `ahead` counts the messages that are due before it, `MOST_COUNTED` at most.
    """

    state: State
    due_at: datetime | None
    created_at: datetime
    updated_at: datetime
    tried: bool = False
    last: LastAttempt = LastAttempt()
    error: str = ""
    lease: MessageLease | None = None
    ahead: int = 0

    def is_due(self, now: datetime) -> bool:
        return self.due_at is not None and self.due_at <= now


def due_message(document: Document) -> DueMessage:
    """A message as MongoDB keeps it."""
    attempts = document["attempts"][-1:] or [{}]
    return DueMessage(
        state=State(document["state"]),
        due_at=document.get("dueAt"),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
        tried=document["attemptCount"] > document["attemptsBefore"],
        last=msgspec.convert(attempts[0], LastAttempt),
        error=(document["error"] or {}).get("message", ""),
    )


def of_message(message: DueMessage, sender: WorkerState, now: datetime) -> Waiting | None:
    """Why the message waits. None if it has ended."""
    due_at = message.due_at
    if due_at is None:
        return _unknown(message) if message.state is State.UNKNOWN else None
    if message.lease is not None and message.lease.until > now:
        return _leased(message.lease)
    if not message.is_due(now):
        return _deferred(message, due_at)
    if waiting := of_worker(sender, now):
        return waiting
    return in_turn("message", message.ahead, MOST_COUNTED, due_at)


def _unknown(message: DueMessage) -> Waiting:
    text = "Whether the relay took it is not known: somebody must resend it, or leave it (UNKNOWN_OUTCOME=hold)."
    return Waiting("person", text, message.updated_at)


def _leased(lease: MessageLease) -> Waiting:
    text = f"A sender has it, with a lease until {shown(lease.until)}: if that sender is lost, another one goes on."
    return Waiting("lease", text, lease.at)


def _deferred(message: DueMessage, due_at: datetime) -> Waiting:
    if not message.tried:
        return Waiting("schedule", f"It is to be sent at {shown(due_at)}, as was asked.", message.created_at)
    since = message.last.ended_at or message.updated_at
    if refusal := refusal_in(message.last.steps):
        text = f"{refusal[:1].upper()}{refusal[1:]}; the next attempt is due at {shown(due_at)}."
        return Waiting("relay", text, since)
    because = f": {message.error}" if message.error else ""
    return Waiting("retry", f"The last attempt failed{because}; the next is due at {shown(due_at)}.", since)
