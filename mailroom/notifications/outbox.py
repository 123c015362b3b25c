"""The outbox: messages in MongoDB, and who may work on which.

            accept                claim: epoch + 1, dueAt = now + lease
    (none) -------> queued ---------------------------------------------> sending
                    ^  |  ^                                               | | | |
                    |  |  '--- deferred: dueAt = now + wait --------------' | | |
                    |  |                                                    | | '-> sent | partial | failed
        resend      |  '--- cancel --> cancelled                            | |
      (by hand)     |                                                       | '-> suppressed: nobody left to send to
                    '--- sent, partial, failed, suppressed, cancelled, unknown
                                                                ^           |
                                                                '-----------' no answer after the final dot, and
                                                                              UNKNOWN_OUTCOME=hold

A lease is a due time in the future plus an epoch. A `sending` message whose `dueAt` has come lost its sender: the
next claim takes it over with a greater epoch. Every write after a claim names the epoch it was made with, so one from a
sender that was paused past its lease matches nothing and is refused.

What many messages need alike is one command for all of them. MongoDB then tells how many matched: when that is not
all, a second look tells which.

`handoverAt` is written before the final dot. A message taken over that has it may have been sent already; one
without it was not. States without a next step have no `dueAt`, so the index that claims use holds only what waits.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from mailroom.errors import LeaseLost
from mailroom.notifications import documents, settling
from mailroom.notifications.clock import ServerClock
from mailroom.notifications.model import Priority, Result, State
from mailroom.notifications.settling import Decision
from mailroom.platform.mongo import Document, Documents

MOST_ATTEMPTS_KEPT = 50

_NOT_FOR_SENDING = {"attempts.steps": 0, "attachments.content": 0, "metadata": 0}

# What an attempt's record says until it has ended, and when it never did.
RUNNING = "running"
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Due:
    """A message that is due. `lost`: it is in delivery, and its lease is over."""

    id: ObjectId
    lost: bool


@dataclass(frozen=True)
class Claim:
    """A message that this process may send until the lease ends. The contents of its attachments are left out.

    `index` is the place of this attempt's record; `attempts` is how many there are since the message was accepted or
    resent, with this one. `interrupted` says that an attempt before it never ended, `handed_over` that the relay may
    have the message from it.
    """

    document: Document
    epoch: int
    index: int
    attempts: int
    interrupted: bool = False
    handed_over: bool = False

    @property
    def id(self) -> ObjectId:
        found: ObjectId = self.document["_id"]
        return found


class Settlement(NamedTuple):
    """What is to be written when an attempt has ended."""

    claim: Claim
    decision: Decision
    result: Result


class Outbox:
    """The collection `notifications`. Every method blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, collection: Documents, clock: ServerClock, lease_seconds: float) -> None:
        self._collection = collection
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)

    def due(self, limit: int) -> list[Due]:
        """Messages that are due, at most `limit`: those of higher priority first, then those that have waited longest.

        Those of one priority are shuffled, so that two senders that ask at once do not go for the same messages.
        """
        now = self._clock.now()
        found: list[Due] = []
        for priority in Priority:
            if len(found) == limit:
                break
            which = {"priority": priority, "dueAt": {"$lte": now}}
            cursor = self._collection.find(which, {"state": 1}).sort("dueAt", 1).limit(limit - len(found))
            some = [Due(each["_id"], each["state"] == State.SENDING) for each in cursor]
            random.shuffle(some)
            found += some
        return found

    def claim(self, messages: Sequence[ObjectId]) -> list[Claim]:
        """Those of `messages` that are queued and due, unless another sender was quicker; in the same order."""
        now = self._clock.now()
        mine = ObjectId()
        which = {"_id": {"$in": list(messages)}, "state": State.QUEUED, "dueAt": {"$lte": now}}
        if not self._collection.update_many(which, self._claiming(now, mine)).matched_count:
            return []
        found = self._collection.find({"_id": which["_id"], "claimedBy": mine}, _NOT_FOR_SENDING)
        by_id = {each["_id"]: each for each in found}
        return [_claimed(by_id[message]) for message in messages if message in by_id]

    def claim_lost(self, message: ObjectId) -> Claim | None:
        """That message, which lost its sender, unless another one was quicker. Notes that its attempt never ended."""
        now = self._clock.now()
        claim = self._claim_one({"_id": message, "state": State.SENDING, "dueAt": {"$lte": now}}, now)
        if claim is not None:
            self._take_over(claim)
        return claim

    def claim_new(self, message: ObjectId) -> Claim | None:
        """That message, if nobody has begun to send it."""
        return self._claim_one({"_id": message, "state": State.QUEUED, "epoch": 0}, self._clock.now())

    def _claim_one(self, which: Document, now: datetime) -> Claim | None:
        # Not find_one_and_update, for which SecantusDB reads the whole collection. The epoch makes the two steps one:
        # whoever else claims, cancels or resends the message in between has changed it.
        found = self._collection.find_one(which, _NOT_FOR_SENDING)
        if found is None:
            return None
        change = self._claiming(now, ObjectId())
        if not self._collection.update_one({**which, "epoch": found["epoch"]}, change).matched_count:
            return None
        return Claim(
            found,
            epoch=found["epoch"] + 1,
            index=min(len(found["attempts"]), MOST_ATTEMPTS_KEPT - 1),
            attempts=found["attemptCount"] - found["attemptsBefore"] + 1,
            interrupted=found["state"] == State.SENDING,
            handed_over=found["handoverAt"] is not None,
        )

    def _claiming(self, now: datetime, by: ObjectId) -> Document:
        """The change that a claim is. Each has a `claimedBy` of its own, to tell what it got from what others got."""
        attempt = {"startedAt": now, "outcome": RUNNING, "steps": []}
        return {
            "$set": {"state": State.SENDING, "dueAt": now + self._lease, "updatedAt": now, "claimedBy": by},
            "$inc": {"epoch": 1, "attemptCount": 1},
            "$push": {"attempts": {"$each": [attempt], "$slice": -MOST_ATTEMPTS_KEPT}},
        }

    def release(self, claims: Sequence[Claim]) -> None:
        """Puts back what was claimed and not begun, as if it had not been. What was lost before waits for its lease."""
        now = self._clock.now()
        change = {
            "$set": {"state": State.QUEUED, "dueAt": now, "updatedAt": now},
            "$inc": {"attemptCount": -1},
            "$pop": {"attempts": 1},
        }
        for held in _by_epoch([claim for claim in claims if not claim.interrupted]):
            self._collection.update_many(held, change)

    def attachments(self, claim: Claim) -> list[Document]:
        """Its attachments with their contents, which may be large."""
        found = self._collection.find_one({"_id": claim.id}, {"attachments": 1})
        if found is None:
            raise LeaseLost(f"notification {claim.id} was erased")
        attachments: list[Document] = found["attachments"]
        return attachments

    def _take_over(self, claim: Claim) -> None:
        before = claim.index - 1
        if before >= 0:
            outcome = State.UNKNOWN if claim.handed_over else INTERRUPTED
            which = {"_id": claim.id, "epoch": claim.epoch, "state": State.SENDING}
            self._collection.update_one(which, {"$set": {f"attempts.{before}.outcome": outcome}})

    def hand_over(self, claims: Sequence[Claim]) -> list[bool]:
        """Notes that the final dot comes next, and starts the lease anew.

        Tells for each whether it is held still. If it is not, another sender has the message: the dot must not be sent.
        """
        now = self._clock.now()
        change = {"$set": {"handoverAt": now, "dueAt": now + self._lease}}
        lost: set[ObjectId] = set()
        for held in _by_epoch(claims):
            ids = held["_id"]["$in"]
            if self._collection.update_many(held, change).matched_count < len(ids):
                lost |= set(ids) - {each["_id"] for each in self._collection.find(held, {"_id": 1})}
        return [claim.id not in lost for claim in claims]

    def settle(self, ended: Sequence[Settlement]) -> list[bool]:
        """Writes what the attempts came to. What was written before is not written again, and is no error.

        Tells for each whether it is written. If it is not, another sender has the message.
        """
        now = self._clock.now()
        writes = [_settling(each, now) for each in ended]
        refused: BulkWriteError | None = None
        try:
            if self._collection.bulk_write(writes, ordered=False).matched_count == len(ended):
                return [True] * len(ended)
        except BulkWriteError as error:
            if error.details.get("writeConcernErrors"):
                raise
            refused = error
        ids = [each.claim.id for each in ended]
        found = self._collection.find({"_id": {"$in": ids}}, {"epoch": 1, "state": 1})
        now_is = {each["_id"]: (each["epoch"], each["state"]) for each in found}
        if refused is not None and any(now_is.get(each.id) == (each.epoch, State.SENDING) for each, *_ in ended):
            raise refused
        # Only who holds an epoch ends it.
        return [now_is.get(each.id, (0, ""))[0] == each.epoch for each, *_ in ended]

    def cancel(self, message: ObjectId) -> bool:
        """Cancels a message that waits. False when there is none, or it does not wait."""
        now = self._clock.now()
        which = {"_id": message, "state": State.QUEUED}
        change = {"$set": {"state": State.CANCELLED, "updatedAt": now}, "$inc": {"epoch": 1}, "$unset": {"dueAt": ""}}
        return bool(self._collection.update_one(which, change).matched_count)

    def resend(self, document: Document) -> bool:
        """Queues an ended message, as it was read, for everybody who has not got it; for all when all have.

        False when it waits or is being sent, when its body was erased, or when somebody else changed it since.
        """
        if document["state"] in (State.QUEUED, State.SENDING) or document["erasedAt"] is not None:
            return False
        now = self._clock.now()
        change = {
            "state": State.QUEUED,
            "recipients": documents.from_recipients(settling.reopen(documents.to_recipients(document["recipients"]))),
            "handoverAt": None,
            "error": None,
            "dueAt": now,
            "dueSince": now,
            "attemptsBefore": document["attemptCount"],
            "updatedAt": now,
        }
        which = {"_id": document["_id"], "epoch": document["epoch"], "state": document["state"]}
        return bool(self._collection.update_one(which, {"$set": change, "$inc": {"epoch": 1}}).matched_count)

    def age(self, claim: Claim) -> float:
        """Seconds since the message was to be sent first, or was resent by hand."""
        since: datetime = claim.document["dueSince"]
        return (self._clock.now() - since).total_seconds()


def _claimed(document: Document) -> Claim:
    """The claim of a message that was queued, as it is after it."""
    attempts = document["attemptCount"] - document["attemptsBefore"]
    return Claim(document, document["epoch"], len(document["attempts"]) - 1, attempts)


def _by_epoch(claims: Sequence[Claim]) -> Iterator[Document]:
    """Filters that match each claim's message as long as it is held. Most have the same epoch."""
    groups: dict[int, list[ObjectId]] = {}
    for claim in claims:
        groups.setdefault(claim.epoch, []).append(claim.id)
    for epoch, ids in groups.items():
        yield {"_id": {"$in": ids}, "epoch": epoch, "state": State.SENDING}


def _settling(ended: Settlement, now: datetime) -> UpdateOne:
    claim, decision, result = ended
    changes: dict[str, Any] = {
        "state": decision.state,
        "recipients": documents.from_recipients(decision.recipients),
        "error": {"code": f"delivery.{decision.state}", "message": decision.error} if decision.error else None,
        "updatedAt": now,
        f"attempts.{claim.index}.endedAt": now,
        f"attempts.{claim.index}.outcome": decision.state,
        f"attempts.{claim.index}.steps": documents.from_steps(result.steps),
    }
    if decision.state is not State.UNKNOWN:
        changes["handoverAt"] = None  # the relay has answered: there is no doubt any more
    if decision.state in (State.SENT, State.PARTIAL):
        changes["sentAt"] = now
    update: Document = {"$set": changes}
    if decision.wait is None:
        update["$unset"] = {"dueAt": ""}
    else:
        changes["dueAt"] = now + timedelta(seconds=decision.wait)
    return UpdateOne({"_id": claim.id, "epoch": claim.epoch, "state": State.SENDING}, update)
