"""The changes that senders make to messages: one for many of them, since each costs the server a plan and a commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pymongo import UpdateMany

from mailroom.notifications.model.messages import Result, State
from mailroom.notifications.outbox import documents
from mailroom.notifications.outbox.claims import ClaimedMessage
from mailroom.notifications.outbox.outcomes import Decision
from mailroom.platform.mongo import Document

MOST_ATTEMPTS_KEPT = 50

# What an attempt's record says that never ended, and did not come to the final dot.
_INTERRUPTED = "interrupted"


class FinishedAttempt(NamedTuple):
    """What is to be written when an attempt has ended."""

    claim: ClaimedMessage
    decision: Decision
    result: Result


def settling(ended: Sequence[FinishedAttempt], now: datetime) -> list[UpdateMany]:
    """Each message gets its own result."""
    groups: dict[tuple[int, bool], list[FinishedAttempt]] = {}
    for each in ended:
        groups.setdefault((each.claim.epoch, each.decision.wait is None), []).append(each)
    return [
        UpdateMany({"_id": {"$in": [each.claim.id for each in some]}, "epoch": epoch}, _settling(some, now, final))
        for (epoch, final), some in groups.items()
    ]


def lost(began: datetime, now: datetime, *, handed_over: bool) -> Document:
    """Adds the record of an attempt that never ended. What was handed over may have been sent: it is in doubt."""
    outcome = State.UNKNOWN if handed_over else _INTERRUPTED
    attempt = {"startedAt": began, "endedAt": now, "outcome": outcome, "steps": []}
    return {
        "$set": {"updatedAt": now, **({"state": State.SENDING, "dueAt": now} if handed_over else {})},
        "$inc": {"epoch": 1, "attemptCount": 1},
        "$push": {"attempts": {"$each": [attempt], "$slice": -MOST_ATTEMPTS_KEPT}},
    }


def _settling(ended: Sequence[FinishedAttempt], now: datetime, final: bool) -> list[Document]:
    """Takes for each message what is its own. What has no next step is due no more."""
    # Literal: the texts of relays may look like expressions. A list to take one from would be copied for each message.
    own = [
        {"case": {"$eq": ["$_id", each.claim.id]}, "then": {"$literal": [_result(each, now), [_attempt(each, now)]]}}
        for each in ended
    ]
    attempts = {"$concatArrays": ["$attempts", {"$arrayElemAt": ["$$own", 1]}]}
    counted = {
        "epoch": {"$add": ["$epoch", 1]},
        "attemptCount": {"$add": ["$attemptCount", 1]},
        "attempts": {"$slice": [attempts, -MOST_ATTEMPTS_KEPT]},
    }
    merged = {"$mergeObjects": ["$$ROOT", {"$arrayElemAt": ["$$own", 0]}, counted]}
    settled = {"$let": {"vars": {"own": {"$switch": {"branches": own}}}, "in": merged}}
    return [{"$replaceWith": settled}, *([{"$unset": "dueAt"}] if final else [])]


def _attempt(ended: FinishedAttempt, now: datetime) -> Document:
    return {
        "startedAt": ended.claim.at,
        "endedAt": now,
        "outcome": ended.decision.state,
        "steps": documents.from_steps(ended.result.steps),
    }


def _result(ended: FinishedAttempt, now: datetime) -> Document:
    claim, decision, _ = ended
    result: Document = {
        "state": decision.state,
        "recipients": documents.from_recipients(decision.recipients),
        "error": {"code": f"delivery.{decision.state}", "message": decision.error} if decision.error else None,
        "updatedAt": now,
        "settledBy": claim.group.id,
    }
    if decision.state in (State.SENT, State.PARTIAL):
        result["sentAt"] = now
    if decision.wait is not None:
        result["dueAt"] = now + timedelta(seconds=decision.wait)
    return result
