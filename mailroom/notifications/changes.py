"""The changes that senders make to messages: one for many of them, since each costs the server a plan and a commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo import UpdateMany

from mailroom.notifications import documents
from mailroom.notifications.claims import Claim
from mailroom.notifications.model import Result, State
from mailroom.notifications.settling import Decision
from mailroom.platform.mongo import Document

MOST_ATTEMPTS_KEPT = 50

# What an attempt's record says that never ended, and did not come to the final dot.
INTERRUPTED = "interrupted"


class Settlement(NamedTuple):
    """What is to be written when an attempt has ended."""

    claim: Claim
    decision: Decision
    result: Result


def handing_over(claims: Sequence[Claim], now: datetime, until: datetime) -> list[UpdateMany]:
    """The final dot comes next; the lease is over at `until`."""
    groups: dict[tuple[int, ObjectId], list[ObjectId]] = {}
    for claim in claims:
        groups.setdefault((claim.epoch, claim.group.id), []).append(claim.id)
    return [
        UpdateMany(
            {"_id": {"$in": ids}, "epoch": epoch},
            {
                "$set": {"state": State.SENDING, "handoverAt": now, "dueAt": until, "claimedBy": by},
                "$inc": {"epoch": 1},
            },
        )
        for (epoch, by), ids in groups.items()
    ]


def settling(ended: Sequence[Settlement], now: datetime) -> list[UpdateMany]:
    """Each message gets its own result."""
    groups: dict[tuple[int, bool], list[Settlement]] = {}
    for each in ended:
        groups.setdefault((each.claim.epoch, each.decision.wait is None), []).append(each)
    return [
        UpdateMany({"_id": {"$in": [each.claim.id for each in some]}, "epoch": epoch}, _settling(some, now, final))
        for (epoch, final), some in groups.items()
    ]


def interrupted(began: datetime, now: datetime, outcome: str) -> Document:
    """The part of a change that adds the record of an attempt that never ended, and makes the next epoch."""
    attempt = {"startedAt": began, "endedAt": now, "outcome": outcome, "steps": []}
    return {
        "$inc": {"epoch": 1, "attemptCount": 1},
        "$push": {"attempts": {"$each": [attempt], "$slice": -MOST_ATTEMPTS_KEPT}},
    }


def _settling(ended: Sequence[Settlement], now: datetime, final: bool) -> list[Document]:
    """Takes for each message what stands at its place in two lists. What has no next step is due no more."""
    place = {"$indexOfArray": [[each.claim.id for each in ended], "$_id"]}

    def own(values: list[Any]) -> Document:
        # Literal: the texts of relays may look like expressions.
        return {"$arrayElemAt": [{"$literal": values}, place]}

    attempts = {"$concatArrays": ["$attempts", own([[_attempt(each, now)] for each in ended])]}
    counted = {
        "epoch": {"$add": ["$epoch", 1]},
        "attemptCount": {"$add": ["$attemptCount", 1]},
        "attempts": {"$slice": [attempts, -MOST_ATTEMPTS_KEPT]},
    }
    merged = {"$mergeObjects": ["$$ROOT", own([_result(each, now) for each in ended]), counted]}
    return [{"$replaceWith": merged}, *([{"$unset": "dueAt"}] if final else [])]


def _attempt(ended: Settlement, now: datetime) -> Document:
    return {
        "startedAt": ended.claim.at,
        "endedAt": now,
        "outcome": ended.decision.state,
        "steps": documents.from_steps(ended.result.steps),
    }


def _result(ended: Settlement, now: datetime) -> Document:
    claim, decision, _ = ended
    result: Document = {
        "state": decision.state,
        "recipients": documents.from_recipients(decision.recipients),
        "error": {"code": f"delivery.{decision.state}", "message": decision.error} if decision.error else None,
        "updatedAt": now,
        "claimedBy": claim.group.id,
    }
    if decision.state is not State.UNKNOWN:
        result["handoverAt"] = None  # the relay has answered: there is no doubt any more
    if decision.state in (State.SENT, State.PARTIAL):
        result["sentAt"] = now
    if decision.wait is not None:
        result["dueAt"] = now + timedelta(seconds=decision.wait)
    return result
