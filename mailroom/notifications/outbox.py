"""The outbox: messages in MongoDB, and who may work on which.

            accept                  hand over: epoch + 1, dueAt = now + lease
    (none) -------> queued -------------------------------------------------> sending
                    ^ ^ | |                                                   | |  |
                    | | | '--- the attempt ended before the final dot         | |  '--> taken over when the lease is
                    | | |      with a result for everybody: see below         | |       over: epoch + 1
                    | | '--- cancel --> cancelled                             | |
                    | '--- deferred: dueAt = now + wait ----------------------' |
        resend      |                                                           '--> sent | partial | failed
      (by hand)     '--- sent, partial, failed, suppressed, cancelled, unknown        unknown: no answer after the
                                                                                      dot, and UNKNOWN_OUTCOME=hold
    queued, sending -- hold, after a restore --> unknown

A sender claims queued messages (see `claims.py`), which changes nothing in them: it keeps others from the same work.
What it may do is decided by the epoch. Every write names the epoch that the message was read with and makes the next,
so of two that go for one message a single one gets past any step. The hand-over is written before the final dot: who
is refused it sends no dot, and after a crash a message that has not come so far is simply queued.

A `sending` message has a lease, its `dueAt`. When that has come the message has lost its sender, and the relay may have
it or not.

What many messages need alike is one command for all of them. MongoDB then tells how many matched: when that is not
all, a second look tells which. States without a next step have no `dueAt`, so the index of what is due holds only what
waits.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from mailroom.errors import LeaseLost
from mailroom.notifications import changes, documents, settling
from mailroom.notifications.changes import Settlement
from mailroom.notifications.claims import Claim, Claims, Due, Group
from mailroom.notifications.clock import ServerClock
from mailroom.notifications.model import Priority, State
from mailroom.platform.mongo import Document

_DUE = {"state": 1, "epoch": 1}

# Nothing but what is sent and what decides about it: most of the fields of a message are neither.
_SENDING = dict.fromkeys(
    (
        *("state", "epoch", "dueAt", "dueSince", "attemptCount", "attemptsBefore", "handoverAt", "updatedAt"),
        *("messageId", "createdAt", "from", "recipients", "replyTo", "subject", "text", "html", "headers"),
        *(f"attachments.{name}" for name in ("filename", "contentType", "size", "object")),
    ),
    1,
)


class Outbox:
    """The collections `notifications` and `claims`. Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, database: Database[Document], clock: ServerClock, lease_seconds: float) -> None:
        self._collection = database["notifications"]
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        self._claims = Claims(database["claims"], self._lease)

    def due(self, limit: int) -> list[Due]:
        """Messages that are due and not claimed, at most `limit`: those of higher priority first, then those that have
        waited longest.

        Those of one priority are shuffled, so that two senders that ask at once do not go for the same messages.
        """
        now = self._clock.now()
        self._note_lost(now)
        taken = self._claims.taken(now)
        found: list[Due] = []
        for priority in Priority:
            left = limit - len(found)
            if not left:
                break
            which = {"priority": priority, "dueAt": {"$lte": now}}
            cursor = self._collection.find(which, _DUE).sort("dueAt", 1).limit(left + len(taken))
            free = [_due(each) for each in cursor if each["_id"] not in taken][:left]
            random.shuffle(free)
            found += free
        return found

    def claim(self, messages: Sequence[Due]) -> list[Claim]:
        """Those of `messages` that are queued and due, unless another sender was quicker; in the same order."""
        now = self._clock.now()
        claim, wanted = self._claims.take(messages, now)
        group = Group(claim, 0)
        if not wanted:
            return []
        # What was claimed may have been sent before that. From now on nobody else begins with it.
        found = self._collection.find({"_id": {"$in": [each.id for each in wanted]}}, _SENDING)
        by_id = {each["_id"]: each for each in found if each["state"] == State.QUEUED and each["dueAt"] <= now}
        claims = [_claim(by_id[each.id], group, now) for each in wanted if each.id in by_id]
        group.left = len(claims)
        if not claims:
            self.release([group])
        return claims

    def claim_new(self, message: ObjectId) -> Claim | None:
        """That message, which was just accepted, if nobody has begun to send it."""
        claims = self.claim([Due(message, 0, lost=False)])
        return claims[0] if claims else None

    def claim_lost(self, message: ObjectId) -> Claim | None:
        """That message, which lost its sender, unless another one was quicker. Notes that its attempt never ended."""
        now = self._clock.now()
        found = self._collection.find_one({"_id": message}, _SENDING)
        if found is None or found["state"] != State.SENDING or found["dueAt"] > now:
            return None
        by = ObjectId()
        handed_over = found["handoverAt"] is not None
        began = found["handoverAt"] or found["updatedAt"]
        change = {
            "$set": {"dueAt": now + self._lease, "updatedAt": now, "claimedBy": by},
            **changes.interrupted(began, now, State.UNKNOWN if handed_over else changes.INTERRUPTED),
        }
        if not self._collection.update_one({"_id": message, "epoch": found["epoch"]}, change).matched_count:
            return None
        found["epoch"] += 1
        found["attemptCount"] += 1
        claim = _claim(found, Group(by, 1), now)
        claim.interrupted, claim.handed_over = True, handed_over
        return claim

    def _note_lost(self, now: datetime) -> None:
        """Notes for the messages of senders that were lost before they handed them over that their attempts never
        ended. The new epoch keeps such a sender, should it only have been paused, from going on.
        """
        for lost in self._claims.lost(now):
            change = {"$set": {"updatedAt": now}, **changes.interrupted(lost["at"], now, changes.INTERRUPTED)}
            for epoch in set(lost["epochs"]):
                ids = [id for id, each in zip(lost["messages"], lost["epochs"], strict=True) if each == epoch]
                self._collection.update_many({"_id": {"$in": ids}, "epoch": epoch}, change)
            self._claims.release([lost["_id"]])

    def release(self, groups: Sequence[Group]) -> None:
        """Lets others have what is left of these claims."""
        self._claims.release([group.id for group in groups])

    def attachments(self, claim: Claim) -> list[Document]:
        """Its attachments with their contents, which may be large."""
        found = self._collection.find_one({"_id": claim.id}, {"attachments": 1})
        if found is None:
            raise LeaseLost(f"notification {claim.id} was erased")
        attachments: list[Document] = found["attachments"]
        return attachments

    def write(self, steps: Sequence[Claim | Settlement]) -> list[bool]:
        """Writes the next step of each message: for a claim that it is handed over now, that is that the final dot
        comes next, which starts its lease; and what attempts came to. What was written before is not written again.

        Tells for each whether it is written. If it is not, another sender has the message, or it was cancelled: the dot
        must not be sent.
        """
        now = self._clock.now()
        claims = [step for step in steps if isinstance(step, Claim)]
        ended = [step for step in steps if isinstance(step, Settlement)]
        writes = [*changes.handing_over(claims, now, now + self._lease), *changes.settling(ended, now)]
        refused: BulkWriteError | None = None
        try:
            done = self._collection.bulk_write(writes, ordered=False).matched_count == len(steps)
        except BulkWriteError as error:
            if error.details.get("writeConcernErrors"):
                raise
            if len(steps) > 1:
                return self._write_each(steps)
            done, refused = False, error
        touched = [step if isinstance(step, Claim) else step.claim for step in steps]
        written = [True] * len(steps) if done else self._written(touched, refused)
        for step, is_written in zip(steps, written, strict=True):
            if isinstance(step, Claim):
                step.epoch += is_written
        return written

    def _write_each(self, steps: Sequence[Claim | Settlement]) -> list[bool]:
        """One that the server refuses keeps no other from being written. Raises what it said in the end."""
        written: list[bool] = []
        refused: BulkWriteError | None = None
        for step in steps:
            try:
                written += self.write([step])
            except BulkWriteError as error:
                refused = error
        if refused is not None:
            raise refused
        return written

    def _written(self, claims: Sequence[Claim], refused: BulkWriteError | None = None) -> list[bool]:
        """Whether the write that each has just tried is there. Raises `refused` when one could still be made."""
        found = self._collection.find({"_id": {"$in": [claim.id for claim in claims]}}, {"epoch": 1, "claimedBy": 1})
        now_is = {each["_id"]: (each["epoch"], each.get("claimedBy")) for each in found}
        if refused is not None and any(now_is.get(each.id, (-1, None))[0] == each.epoch for each in claims):
            raise refused
        return [now_is.get(each.id) == (each.epoch + 1, each.group.id) for each in claims]

    def cancel(self, message: ObjectId) -> bool:
        """Cancels a message that waits. False when there is none, or it does not wait."""
        now = self._clock.now()
        which = {"_id": message, "state": State.QUEUED}
        change = {"$set": {"state": State.CANCELLED, "updatedAt": now}, "$inc": {"epoch": 1}, "$unset": {"dueAt": ""}}
        return bool(self._collection.update_one(which, change).matched_count)

    def hold(self) -> int:
        """Makes every message that waits or is in delivery `unknown`; how many they were.

        For what was restored from a backup: it may have been sent since, so a person resends or leaves it.
        """
        change = {
            "$set": {
                "state": State.UNKNOWN,
                "error": {"code": "delivery.unknown", "message": "restored from a backup; it may have been sent since"},
                "updatedAt": self._clock.now(),
            },
            "$inc": {"epoch": 1},
            "$unset": {"dueAt": ""},
        }
        return self._collection.update_many({"state": {"$in": [State.QUEUED, State.SENDING]}}, change).modified_count

    def resend(self, document: Document) -> bool:
        """Queues an ended message, as it was read, for everybody who has not got it; for all when all have.

        False when it waits or is being sent, when its body was erased, or when somebody else changed it since.
        """
        if document["state"] in (State.QUEUED, State.SENDING) or document["erasedAt"] is not None:
            return False
        now = self._clock.now()
        values = {
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
        return bool(self._collection.update_one(which, {"$set": values, "$inc": {"epoch": 1}}).matched_count)

    def age(self, claim: Claim) -> float:
        """Seconds since the message was to be sent first, or was resent by hand."""
        since: datetime = claim.document["dueSince"]
        return (self._clock.now() - since).total_seconds()


def _due(document: Document) -> Due:
    return Due(document["_id"], document["epoch"], document["state"] == State.SENDING)


def _claim(document: Document, group: Group, now: datetime) -> Claim:
    attempts = document["attemptCount"] - document["attemptsBefore"] + 1
    return Claim(document, group, now, document["epoch"], attempts)
