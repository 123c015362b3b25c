"""The outbox: messages in MongoDB, and who may work on which.

            accept          its sender was lost after the hand-over: due at once
    (none) -------> queued ------------------------------------------------------> sending
                     ^  |                                                             |
                     |  '----------------------- an attempt ended --------------------'
                     |                                  |
                     |--- deferred: dueAt = now + wait -|
                     |                                  '--> sent | partial | failed | suppressed | unknown
                     '--- resend, by hand: one of those, or cancelled

    queued --- cancel, by hand --> cancelled          queued, sending --- hold, after a restore --> unknown

A sender claims messages, and before the final dot it notes in its lease that it hands them over (see `claims.py`);
neither changes the messages. One that is handed over is shown as `sending`, although its document says so only when
its sender was lost. Then the relay may have it or not, and it is tried again or, with UNKNOWN_OUTCOME=hold, becomes
unknown: no answer after the dot has the same end. A message that had not come so far is simply queued.

Every other write names the epoch that the message was read with and makes the next, so the result of a sender that
was taken for lost is refused.

What many messages need alike is one command for all of them. MongoDB then tells how many matched: when that is not
all, a second look tells which. States without a next step have no `dueAt`, so the index of what is due holds only what
waits.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from mailroom.errors import LeaseLost
from mailroom.notifications.model.messages import Priority, State
from mailroom.notifications.outbox import changes, documents
from mailroom.notifications.outbox import outcomes as settling
from mailroom.notifications.outbox.changes import FinishedAttempt
from mailroom.notifications.outbox.claims import Claim, ClaimedMessage, Claims, MessageRef
from mailroom.platform.mongo import Document
from mailroom.platform.server_clock import ServerClock

_EPOCH = {"epoch": 1}

# Nothing but what is sent and what decides about it: most of the fields of a message are neither.
_SENDING = dict.fromkeys(
    (
        *("state", "epoch", "dueAt", "dueSince", "attemptCount", "attemptsBefore"),
        *("messageId", "createdAt", "from", "recipients", "replyTo", "subject", "text", "html", "headers"),
        *(f"attachments.{name}" for name in ("filename", "contentType", "size", "object")),
    ),
    1,
)


class Outbox:
    """The collection `notifications`. Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, database: Database[Document], clock: ServerClock, lease_seconds: float) -> None:
        self._collection = database["notifications"]
        self._clock = clock
        self._claims = Claims(database, timedelta(seconds=lease_seconds))

    def due(self, limit: int) -> list[MessageRef]:
        """Messages that are due and not claimed, at most `limit`: those of higher priority first, then those that have
        waited longest.

        Those of one priority are shuffled, so that two senders that ask at once do not go for the same messages.
        """
        now = self._clock.now()
        self._note_lost(now)
        taken = self._claims.taken(now)
        found: list[MessageRef] = []
        for priority in Priority:
            if left := limit - len(found):
                first = self._first_due(priority, now, left + len(taken))
                free = [each for each in first if each.id not in taken][:left]
                random.shuffle(free)
                found += free
        return found

    def _first_due(self, priority: Priority, now: datetime, limit: int) -> list[MessageRef]:
        """The messages of one priority that have waited longest. The index `due` serves the filter and the order."""
        which = {"priority": priority, "dueAt": {"$lte": now}}
        found = self._collection.find(which, {"epoch": 1}).sort("dueAt", 1).limit(limit)
        return [MessageRef(each["_id"], each["epoch"]) for each in found]

    def claim(self, messages: Sequence[MessageRef]) -> list[ClaimedMessage]:
        """Those of `messages` that are still due, unless another sender was quicker; in the same order."""
        now = self._clock.now()
        claim, wanted = self._claims.take(messages, now)
        if not wanted:
            return []
        # What was claimed may have been sent before that. From now on nobody else begins with it.
        found = self._collection.find({"_id": {"$in": [each.id for each in wanted]}}, _SENDING)
        by_id = {each["_id"]: each for each in found}
        group = Claim(claim, 0)
        claims = [
            _claim(document, group, now)
            for each in wanted
            if (document := by_id.get(each.id)) and document["epoch"] == each.epoch and document["dueAt"] <= now
        ]
        group.left = len(claims)
        if not claims:
            self.release([group])
        return claims

    def claim_new(self, message: ObjectId) -> ClaimedMessage | None:
        """That message, which was just accepted, if nobody has begun to send it."""
        claims = self.claim([MessageRef(message, 0)])
        return claims[0] if claims else None

    def _note_lost(self, now: datetime) -> None:
        """Notes for the messages of senders that were lost that their attempts never ended. The new epoch keeps such a
        sender, should it only have been paused, from going on.
        """
        for lost in self._claims.lost(now):
            for messages, handed_over in ((lost.handed_over, True), (lost.others, False)):
                change = changes.lost(lost.at, now, handed_over=handed_over)
                for epoch in {each.epoch for each in messages}:
                    ids = [each.id for each in messages if each.epoch == epoch]
                    self._collection.update_many({"_id": {"$in": ids}, "epoch": epoch}, change)
            self._claims.release([lost.id])

    def release(self, groups: Sequence[Claim]) -> None:
        """Lets others have what is left of these claims."""
        self._claims.release([group.id for group in groups])

    def attachments(self, claim: ClaimedMessage) -> list[Document]:
        """Its attachments with their contents, which may be large."""
        found = self._collection.find_one({"_id": claim.id}, {"attachments": 1})
        if found is None:
            raise LeaseLost(f"notification {claim.id} was erased")
        attachments: list[Document] = found["attachments"]
        return attachments

    def hand_over(self, claims: Sequence[ClaimedMessage]) -> list[bool]:
        """Notes that the final dots of these messages come next, and renews their lease.

        Tells for each whether it is noted. If it is not, another sender has the message, or it was cancelled: the dot
        must not be sent.
        """
        now = self._clock.now()
        groups: dict[ObjectId, list[ClaimedMessage]] = {}
        for claim in claims:
            groups.setdefault(claim.group.id, []).append(claim)
        noted: set[ClaimedMessage] = set()
        for group, some in groups.items():
            if self._claims.hand_over(group, [_due(each) for each in some], now):
                noted.update(some)
            elif len(some) > 1:
                noted.update(each for each in some if self._claims.hand_over(group, [_due(each)], now))
        return [claim in noted for claim in claims]

    def settle(self, ended: Sequence[FinishedAttempt]) -> list[bool]:
        """Writes down what attempts came to. What was written before is not written again.

        Tells for each whether it is written. If it is not, another sender has the message.
        """
        refused: BulkWriteError | None = None
        try:
            writes = changes.settling(ended, self._clock.now())
            done = self._collection.bulk_write(writes, ordered=False).matched_count == len(ended)
        except BulkWriteError as error:
            if error.details.get("writeConcernErrors"):
                raise
            if len(ended) > 1:
                return self._settle_each(ended)
            done, refused = False, error
        return [True] * len(ended) if done else self._settled([each.claim for each in ended], refused)

    def _settle_each(self, ended: Sequence[FinishedAttempt]) -> list[bool]:
        """One that the server refuses keeps no other from being written. Raises what it said in the end."""
        written: list[bool] = []
        refused: BulkWriteError | None = None
        for each in ended:
            try:
                written += self.settle([each])
            except BulkWriteError as error:
                refused = error
        if refused is not None:
            raise refused
        return written

    def _settled(self, claims: Sequence[ClaimedMessage], refused: BulkWriteError | None) -> list[bool]:
        """Whether the result that each has just tried to write is there. Raises `refused` when it could still be."""
        found = self._collection.find({"_id": {"$in": [claim.id for claim in claims]}}, {"epoch": 1, "settledBy": 1})
        now_is = {each["_id"]: (each["epoch"], each.get("settledBy")) for each in found}
        if refused is not None and any(now_is.get(each.id, (-1, None))[0] == each.epoch for each in claims):
            raise refused
        return [now_is.get(each.id) == (each.epoch + 1, each.group.id) for each in claims]

    def sending(self) -> set[MessageRef]:
        """The messages that are handed over now, or were a moment ago: then they have a later epoch."""
        return self._claims.handed_over()

    def cancel(self, message: ObjectId) -> bool:
        """Cancels a message that waits. False when there is none, or it does not wait, or is handed over."""
        change = {"$set": {"state": State.CANCELLED, "updatedAt": self._clock.now()}, "$unset": {"dueAt": ""}}
        found = self._collection.find({"_id": message, "state": State.QUEUED}, _EPOCH)
        with self._seized(found) as seized:
            return any(self._change(each, change) for each in seized)

    def erase(self, address: str) -> int:
        """Deletes the messages to `address` (of `addresses.key`) that wait, none that is handed over. How many."""
        found = self._collection.find({"addresses": address, "state": State.QUEUED}, _EPOCH).hint("recipient")
        with self._seized(found) as seized:
            ids = [each.id for each in seized]
            return self._collection.delete_many({"_id": {"$in": ids}, "state": State.QUEUED}).deleted_count

    @contextmanager
    def _seized(self, found: Iterable[Document]) -> Iterator[Sequence[MessageRef]]:
        """Those of the messages that are not handed over: no sender has or gets them meanwhile."""
        waiting = [MessageRef(each["_id"], each["epoch"]) for each in found]
        claim, seized = self._claims.seize(waiting, self._clock.now())
        try:
            yield seized
        finally:
            if seized:
                self._claims.release([claim])

    def _change(self, message: MessageRef, change: Document) -> bool:
        which = {"_id": message.id, "epoch": message.epoch}
        return bool(self._collection.update_one(which, {**change, "$inc": {"epoch": 1}}).matched_count)

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
            "error": None,
            "dueAt": now,
            "dueSince": now,
            "attemptsBefore": document["attemptCount"],
            "updatedAt": now,
        }
        return self._change(MessageRef(document["_id"], document["epoch"]), {"$set": values})

    def age(self, claim: ClaimedMessage) -> float:
        """Seconds since the message was to be sent first, or was resent by hand."""
        since: datetime = claim.document["dueSince"]
        return (self._clock.now() - since).total_seconds()


def _due(claim: ClaimedMessage) -> MessageRef:
    return MessageRef(claim.id, claim.epoch)


def _claim(document: Document, group: Claim, now: datetime) -> ClaimedMessage:
    attempts = document["attemptCount"] - document["attemptsBefore"] + 1
    return ClaimedMessage(document, group, now, attempts, in_doubt=document["state"] == State.SENDING)
