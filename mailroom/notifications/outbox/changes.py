"""The changes that senders make to messages. One command changes many messages: each costs a plan and a commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from pymongo import UpdateMany

from mailroom.notifications.model.messages import Result, State
from mailroom.notifications.outbox.claims import ClaimedMessage
from mailroom.notifications.outbox.outcomes import Decision
from mailroom.platform.mongo import Document

MOST_ATTEMPTS_KEPT = 50

# The outcome of an attempt whose sender was lost before the hand-over.
_INTERRUPTED = "interrupted"


class FinishedAttempt(NamedTuple):
    """An attempt that has ended, and what it means for the message."""

    message: ClaimedMessage
    decision: Decision
    result: Result


def finished(attempts: Sequence[FinishedAttempt], now: datetime) -> list[UpdateMany]:
    """Writes each attempt to its message. One update for each epoch and each kind of end."""
    groups: dict[tuple[int, bool], list[FinishedAttempt]] = {}
    for each in attempts:
        groups.setdefault((each.message.epoch, each.decision.wait is None), []).append(each)
    return [
        UpdateMany({"_id": {"$in": [each.message.id for each in some]}, "epoch": epoch}, _finished(some, now, final))
        for (epoch, final), some in groups.items()
    ]


def lost(began: datetime, now: datetime, *, handed_over: bool) -> Document:
    """Adds an attempt whose sender was lost. If the message was handed over, the relay may have it: it is in doubt."""
    outcome = State.UNKNOWN if handed_over else _INTERRUPTED
    attempt = {"startedAt": began, "endedAt": now, "outcome": outcome, "steps": []}
    return {
        "$set": {"updatedAt": now, **({"state": State.SENDING, "dueAt": now} if handed_over else {})},
        "$inc": {"epoch": 1, "attemptCount": 1},
        "$push": {"attempts": {"$each": [attempt], "$slice": -MOST_ATTEMPTS_KEPT}},
    }


def _finished(attempts: Sequence[FinishedAttempt], now: datetime, final: bool) -> list[Document]:
    """The update that gives each message its own result. A `final` result removes the due time."""
    # $literal, because texts of the relay may look like expressions. A branch for each message, because the server
    # would copy a list of all results for each message.
    branches = [
        {"case": {"$eq": ["$_id", each.message.id]}, "then": {"$literal": [_result(each, now), [_attempt(each, now)]]}}
        for each in attempts
    ]
    kept = {"$concatArrays": ["$attempts", {"$arrayElemAt": ["$$own", 1]}]}
    counted = {
        "epoch": {"$add": ["$epoch", 1]},
        "attemptCount": {"$add": ["$attemptCount", 1]},
        "attempts": {"$slice": [kept, -MOST_ATTEMPTS_KEPT]},
    }
    merged = {"$mergeObjects": ["$$ROOT", {"$arrayElemAt": ["$$own", 0]}, counted]}
    changed = {"$let": {"vars": {"own": {"$switch": {"branches": branches}}}, "in": merged}}
    return [{"$replaceWith": changed}, *([{"$unset": "dueAt"}] if final else [])]


def _attempt(attempt: FinishedAttempt, now: datetime) -> Document:
    return {
        "startedAt": attempt.message.claimed_at,
        "endedAt": now,
        "outcome": attempt.decision.state,
        "steps": msgspec.to_builtins(attempt.result.steps),
    }


def _result(attempt: FinishedAttempt, now: datetime) -> Document:
    message, decision, _ = attempt
    result: Document = {
        "state": decision.state,
        "recipients": msgspec.to_builtins(decision.recipients),
        "error": {"code": f"delivery.{decision.state}", "message": decision.error} if decision.error else None,
        "updatedAt": now,
        "settledBy": message.claim.id,
    }
    if decision.state in (State.SENT, State.PARTIAL):
        result["sentAt"] = now
    if decision.wait is not None:
        result["dueAt"] = now + timedelta(seconds=decision.wait)
    return result
