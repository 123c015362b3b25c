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
sender that was paused past its lease matches nothing and is refused with `LeaseLost`.

`handoverAt` is written before the final dot. A message taken over that has it may have been sent already; one
without it was not. States without a next step have no `dueAt`, so the index that claims use holds only what waits.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from mailroom.errors import LeaseLost
from mailroom.notifications import documents, settling
from mailroom.notifications.clock import ServerClock
from mailroom.notifications.model import Priority, Result, State
from mailroom.notifications.settling import Decision
from mailroom.platform.mongo import Document, Documents

MOST_ATTEMPTS_KEPT = 50

_NOT_FOR_SENDING = {"attempts.steps": 0, "metadata": 0}

# What an attempt's record says until it has ended, and when it never did.
RUNNING = "running"
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Claim:
    """A message that this process may send until the lease ends, as it was found.

    `index` is the place of this attempt's record. `interrupted` says that an attempt before it never ended.
    """

    document: Document
    epoch: int
    index: int

    @property
    def id(self) -> ObjectId:
        found: ObjectId = self.document["_id"]
        return found

    @property
    def interrupted(self) -> bool:
        return bool(self.document["state"] == State.SENDING)

    @property
    def handed_over(self) -> bool:
        """Whether the relay may have it already."""
        return self.document["handoverAt"] is not None

    @property
    def attempts(self) -> int:
        """How many there are since the message was accepted or resent, with this one."""
        return int(self.document["attemptCount"]) - int(self.document["attemptsBefore"]) + 1


class Outbox:
    """The collection `notifications`. Every method blocks for one answer of MongoDB; errors are the driver's."""

    def __init__(self, collection: Documents, clock: ServerClock, lease_seconds: float) -> None:
        self._collection = collection
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)

    def due(self, limit: int) -> list[ObjectId]:
        """Messages that are due, at most `limit`: those of higher priority first, then those that have waited longest.

        Those of one priority are shuffled, so that two senders that ask at once do not go for each message together.
        """
        now = self._clock.now()
        found: list[ObjectId] = []
        for priority in Priority:
            which = {"priority": priority, "dueAt": {"$lte": now}}
            some = self._collection.find(which, {"_id": 1}).sort("dueAt", 1).limit(max(1, limit - len(found)))
            ids = [each["_id"] for each in some]
            random.shuffle(ids)
            found += ids
        return found[:limit]

    def claim_due(self, message: ObjectId) -> Claim | None:
        """That message, unless another sender was quicker."""
        now = self._clock.now()
        return self._claim({"_id": message, "dueAt": {"$lte": now}}, now)

    def claim_new(self, message: ObjectId) -> Claim | None:
        """That message, if nobody has begun to send it."""
        return self._claim({"_id": message, "state": State.QUEUED, "epoch": 0}, self._clock.now())

    def _claim(self, which: Document, now: datetime) -> Claim | None:
        # Not find_one_and_update, for which SecantusDB reads the whole collection. The epoch makes the two steps one:
        # whoever else claims, cancels or resends the message in between has changed it.
        found = self._collection.find_one(which, _NOT_FOR_SENDING)
        if found is None:
            return None
        attempt = {"startedAt": now, "outcome": RUNNING, "steps": []}
        claimed = self._collection.update_one(
            {**which, "epoch": found["epoch"]},
            {
                "$set": {"state": State.SENDING, "dueAt": now + self._lease, "updatedAt": now},
                "$inc": {"epoch": 1, "attemptCount": 1},
                "$push": {"attempts": {"$each": [attempt], "$slice": -MOST_ATTEMPTS_KEPT}},
            },
        )
        if not claimed.matched_count:
            return None
        return Claim(found, found["epoch"] + 1, min(len(found["attempts"]), MOST_ATTEMPTS_KEPT - 1))

    def take_over(self, claim: Claim) -> None:
        """Notes that the attempt before this one never ended."""
        before = claim.index - 1
        if before >= 0:
            outcome = State.UNKNOWN if claim.handed_over else INTERRUPTED
            self._write(claim, {f"attempts.{before}.outcome": outcome})

    def hand_over(self, claim: Claim) -> None:
        """Notes that the final dot comes next, and starts the lease anew.

        Raises:
            LeaseLost: another sender has the message. The dot must not be sent.
        """
        now = self._clock.now()
        self._write(claim, {"handoverAt": now, "dueAt": now + self._lease})

    def settle(self, claim: Claim, decision: Decision, result: Result) -> None:
        """Writes what the attempt came to.

        Raises:
            LeaseLost: another sender has the message, or this was written before.
        """
        now = self._clock.now()
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
        if decision.wait is None:
            self._write(claim, changes, {"dueAt": ""})
        else:
            self._write(claim, {**changes, "dueAt": now + timedelta(seconds=decision.wait)})

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

    def _write(self, claim: Claim, changes: Document, removals: Document | None = None) -> None:
        update = {"$set": changes} | ({"$unset": removals} if removals else {})
        which = {"_id": claim.id, "epoch": claim.epoch, "state": State.SENDING}
        if not self._collection.update_one(which, update).matched_count:
            raise LeaseLost(f"notification {claim.id} is no longer held with epoch {claim.epoch}")
