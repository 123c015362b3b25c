"""The changes that senders make to messages. One command changes many messages: each costs a plan and a commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from bson import ObjectId
from pymongo import UpdateMany

from mailroom.notifications.model.messages import Result, State
from mailroom.notifications.outbox.claims import ClaimedMessage
from mailroom.notifications.outbox.outcomes import Decision
from mailroom.platform.mongo import Document
from mailroom.webhooks.announcements import ANNOUNCEMENTS, Announcer
from mailroom.webhooks.model import EventType

MOST_ATTEMPTS_KEPT = 50

# The outcome of an attempt whose sender was lost before the hand-over.
_INTERRUPTED = "interrupted"


# The events of the ends of a message. Nobody is told of other states.
_EVENTS = {
    State.SENT: EventType.NOTIFICATION_SENT,
    State.PARTIAL: EventType.NOTIFICATION_SENT,
    State.FAILED: EventType.NOTIFICATION_FAILED,
    State.SUPPRESSED: EventType.NOTIFICATION_SUPPRESSED,
}


class FinishedAttempt(NamedTuple):
    """An attempt that has ended, and what it means for the message."""

    message: ClaimedMessage
    decision: Decision
    result: Result


class _Change(NamedTuple):
    """What an attempt changes in its message: fields to set, the attempt to add, the announcement for webhooks."""

    message: ObjectId
    result: Document
    attempt: Document
    announcement: Document | None


def finished(attempts: Sequence[FinishedAttempt], announcer: Announcer, now: datetime) -> tuple[list[UpdateMany], bool]:
    """Writes each attempt to its message. One update for each epoch and each kind of end.

    Returns the updates, and whether they announce something to webhooks.
    """
    groups: dict[tuple[int, bool, bool], list[_Change]] = {}
    for each in attempts:
        change = _Change(each.message.id, _result(each, now), _attempt(each, now), _announcement(each, announcer))
        kind = (each.message.epoch, each.decision.wait is None, change.announcement is not None)
        groups.setdefault(kind, []).append(change)
    updates = [
        UpdateMany({"_id": {"$in": [each.message for each in some]}, "epoch": epoch}, _finished(some, final, announced))
        for (epoch, final, announced), some in groups.items()
    ]
    return updates, any(announced for _, _, announced in groups)


def lost(began: datetime, now: datetime, *, handed_over: bool) -> Document:
    """Adds an attempt whose sender was lost. If the message was handed over, the relay may have it: it is in doubt."""
    outcome = State.UNKNOWN if handed_over else _INTERRUPTED
    attempt = {"startedAt": began, "endedAt": now, "outcome": outcome, "steps": []}
    return {
        "$set": {"updatedAt": now, **({"state": State.SENDING, "dueAt": now} if handed_over else {})},
        "$inc": {"epoch": 1, "attemptCount": 1},
        "$push": {"attempts": {"$each": [attempt], "$slice": -MOST_ATTEMPTS_KEPT}},
    }


def _finished(changes: Sequence[_Change], final: bool, announced: bool) -> list[Document]:
    """The update that gives each message its own result. A `final` result removes the due time."""
    # $literal, because texts of the relay may look like expressions. A branch for each message, because the server
    # would copy a list of all results for each message.
    branches = [
        {
            "case": {"$eq": ["$_id", each.message]},
            "then": {"$literal": [each.result, [each.attempt], [each.announcement]]},
        }
        for each in changes
    ]
    kept = {"$concatArrays": ["$attempts", {"$arrayElemAt": ["$$own", 1]}]}
    counted: Document = {
        "epoch": {"$add": ["$epoch", 1]},
        "attemptCount": {"$add": ["$attemptCount", 1]},
        "attempts": {"$slice": [kept, -MOST_ATTEMPTS_KEPT]},
    }
    if announced:
        earlier = {"$ifNull": [f"${ANNOUNCEMENTS}", []]}
        counted[ANNOUNCEMENTS] = {"$concatArrays": [earlier, {"$arrayElemAt": ["$$own", 2]}]}
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
        "error": _error(decision),
        "updatedAt": now,
        "settledBy": message.claim.id,
    }
    if decision.state in (State.SENT, State.PARTIAL):
        result["sentAt"] = now
    if decision.wait is not None:
        result["dueAt"] = now + timedelta(seconds=decision.wait)
    return result


def _announcement(attempt: FinishedAttempt, announcer: Announcer) -> Document | None:
    event = _EVENTS.get(attempt.decision.state)
    if event is None:
        return None
    return announcer.make(event, {"status": attempt.decision.state, "error": _error(attempt.decision)})


def _error(decision: Decision) -> Document | None:
    return {"code": f"delivery.{decision.state}", "message": decision.error} if decision.error else None
