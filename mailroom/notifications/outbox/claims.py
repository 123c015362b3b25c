"""Which sender works on which messages, and what it has handed over: two documents for each claim.

    claims    messages, epochs             written once; a unique index allows each message one claim
    leases    until, handedOver, barred    the lease of the claim, with the same id; written at each hand-over

They are two documents so that the frequent write touches no index over many values. The lease is written before its
claim and deleted after it. A claim without a lease was left by a crash: whoever needs its messages removes it.

A sender notes the hand-over of messages in the lease before it sends their final dots. The note is refused if the lease
is closed or a message is barred. It is one write to one document, so it comes either before or after each write that
prevents it:

    the sender is lost    when its lease has expired, another sender closes it: no further hand-over is noted
    cancel, erase         the message is barred, unless it is handed over, and claimed by whoever cancels or erases it
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from mailroom.notifications.model.messages import Recipient, State
from mailroom.platform.mongo import Document

# The epoch in claims that are not a sender's: cancel and erase write the next epoch themselves.
_NO_EPOCH = -1

# How often `seize` follows a message that moves from one claim to the next.
_TRIES = 5


class MessageRef(NamedTuple):
    """A message at one epoch."""

    id: ObjectId
    epoch: int


class Claim(msgspec.Struct, eq=False):
    """Messages that this process claimed together. `unfinished` is how many of them are.

    A message that `failed` has no result. The claim then stays until its lease expires, so that the message is not
    tried again at once.
    """

    id: ObjectId
    unfinished: int
    failed: bool = False

    def finish_one(self, *, failed: bool = False) -> bool:
        """Counts one message as finished. Returns whether the claim is to be released."""
        self.unfinished -= 1
        self.failed |= failed
        return self.unfinished == 0 and not self.failed


class MessageLease(msgspec.Struct, frozen=True):
    """The lease of the sender that has claimed a message: since when, and until when."""

    at: datetime
    until: datetime


class ClaimedMessage(msgspec.Struct, eq=False):
    """A message that this process may send until the lease expires, without the contents of its attachments.

    `suppressed` has the addresses on the wire that are on the suppression list, for all mail or for its topic.
    """

    document: Document
    recipients: tuple[Recipient, ...]
    suppressed: frozenset[str]
    claim: Claim
    claimed_at: datetime

    @property
    def id(self) -> ObjectId:
        found: ObjectId = self.document["_id"]
        return found

    @property
    def epoch(self) -> int:
        """The epoch that the result of this attempt names."""
        found: int = self.document["epoch"]
        return found

    @property
    def ref(self) -> MessageRef:
        return MessageRef(self.id, self.epoch)

    @property
    def attempts(self) -> int:
        """The attempts since the message was accepted or resent, this one included."""
        attempts: int = self.document["attemptCount"] - self.document["attemptsBefore"] + 1
        return attempts

    @property
    def is_test(self) -> bool:
        """Whether it was accepted from a test key: it is handed to nobody."""
        return bool(self.document.get("test"))

    @property
    def in_doubt(self) -> bool:
        """Whether the relay may already have the message, from an attempt whose sender was lost."""
        return bool(self.document["state"] == State.SENDING)


class LostClaim(msgspec.Struct, frozen=True):
    """A claim whose sender was lost: the messages that it had handed over, and the others."""

    id: ObjectId
    claimed_at: datetime
    handed_over: Sequence[MessageRef]
    others: Sequence[MessageRef]


class Claims:
    """The collections `claims` and `leases`. Each hand-over renews the lease for `lease`. Blocks for MongoDB."""

    def __init__(self, database: Database[Document], lease: timedelta) -> None:
        self._claims = database["claims"]
        self._leases = database["leases"]
        self._lease = lease

    def take(self, messages: Sequence[MessageRef], now: datetime) -> tuple[ObjectId, list[MessageRef]]:
        """Claims the messages that nobody else has claimed. Returns the claim's id and these messages, maybe none."""
        claim, wanted = ObjectId(), list(messages)
        if not wanted:
            return claim, wanted
        lease = {"_id": claim, "at": now, "until": now + self._lease, "closed": False, "handedOver": [], "barred": []}
        self._leases.insert_one(lease)
        while wanted:
            ids = [each.id for each in wanted]
            try:
                self._claims.insert_one({"_id": claim, "messages": ids, "epochs": [each.epoch for each in wanted]})
                break
            except DuplicateKeyError:
                others = self._claimed_by_others(ids)
                wanted = [each for each in wanted if each.id not in others]
        if not wanted:
            self.release([claim])
        return claim, wanted

    def seize(self, messages: Sequence[MessageRef], now: datetime) -> tuple[ObjectId, list[MessageRef]]:
        """Claims the messages that are not handed over, and takes them out of other claims: no sender sends them.

        Returns the claim's id and these messages, maybe none. The caller releases the claim.
        """
        for tries_left in reversed(range(_TRIES)):
            left = {each.id: each for each in messages}
            for other in self._claims.find({"messages": {"$in": list(left)}}):
                for message in left.keys() & set(other["messages"]):
                    if not self._bar(other["_id"], left[message]):
                        del left[message]
            claim, seized = self.take([MessageRef(each, _NO_EPOCH) for each in left], now)
            if len(seized) == len(left) or not tries_left:
                break
            self.release([claim])  # another sender claimed a message meanwhile: try again
        return claim, [left[each.id] for each in seized]

    def hand_over(self, claim: ObjectId, messages: Sequence[MessageRef], now: datetime) -> bool:
        """Notes that the final dots of these messages come next, and renews the lease.

        Returns False, and notes nothing, if the lease is closed or gone, or one of the messages is barred.
        """
        which = {"_id": claim, "closed": False, "barred": {"$nin": [each.id for each in messages]}}
        noted = [{"message": each.id, "epoch": each.epoch} for each in messages]
        change = {"$push": {"handedOver": {"$each": noted}}, "$set": {"until": now + self._lease}}
        return bool(self._leases.update_one(which, change).matched_count)

    def handed_over(self) -> set[MessageRef]:
        """The messages that are handed over now, or were a moment ago: their epoch is a later one by now."""
        return {each for lease in self._leases.find({}, {"handedOver": 1}) for each in _handed_over(lease)}

    def claimed(self, now: datetime) -> set[ObjectId]:
        """The messages of all claims whose lease has not expired."""
        live = [each["_id"] for each in self._leases.find({"until": {"$gt": now}}, {"_id": 1})]
        claims = self._claims.find({"_id": {"$in": live}}, {"messages": 1}) if live else ()
        return {message for each in claims for message in each["messages"]}

    def lease_of(self, message: ObjectId) -> MessageLease | None:
        """The lease of the claim that has the message; None if nobody has claimed it. It may have expired."""
        claim = self._claims.find_one({"messages": message}, {"_id": 1})
        found = claim and self._leases.find_one({"_id": claim["_id"]}, {"at": 1, "until": 1})
        return MessageLease(found["at"], found["until"]) if found else None

    def close_expired(self, now: datetime) -> list[LostClaim]:
        """Closes the leases that have expired, and returns their claims. Nothing more of them is handed over."""
        expired = self._leases.find({"until": {"$lte": now}}, {"_id": 1})
        return [lost for each in expired if (lost := self._close(each["_id"], now)) is not None]

    def release(self, claims: Sequence[ObjectId]) -> None:
        """Deletes claims and leases. Those that are already gone are no error."""
        which = {"_id": {"$in": list(claims)}}
        self._claims.delete_many(which)
        self._leases.delete_many(which)

    def _close(self, claim: ObjectId, now: datetime) -> LostClaim | None:
        """Returns None if a hand-over has renewed the lease meanwhile."""
        which = {"_id": claim, "until": {"$lte": now}}
        change = {"$set": {"closed": True}}
        lease = self._leases.find_one_and_update(which, change, return_document=ReturnDocument.AFTER)
        if lease is None:
            return None
        handed_over = _handed_over(lease)
        found = self._claims.find_one({"_id": claim}) or {"messages": [], "epochs": []}
        claimed = map(MessageRef, found["messages"], found["epochs"])
        return LostClaim(claim, lease["at"], handed_over, [each for each in claimed if each not in handed_over])

    def _bar(self, claim: ObjectId, message: MessageRef) -> bool:
        """Bars the message in that lease and takes it out of the claim. Returns False if it is handed over."""
        handed_over = {"$elemMatch": {"message": message.id, "epoch": {"$gte": message.epoch}}}
        barred = self._leases.update_one(
            {"_id": claim, "handedOver": {"$not": handed_over}}, {"$push": {"barred": message.id}}
        )
        if not barred.matched_count and self._leases.find_one({"_id": claim}, {"_id": 1}) is not None:
            return False
        # A new id takes its place: the positions in `messages` and `epochs` must still match.
        self._claims.update_one({"_id": claim, "messages": message.id}, {"$set": {"messages.$": ObjectId()}})
        return True

    def _claimed_by_others(self, messages: Sequence[ObjectId]) -> set[ObjectId]:
        """All messages of the claims that hold some of `messages`. Removes claims that have no lease."""
        found = self._claims.find({"messages": {"$in": list(messages)}}, {"messages": 1})
        claims = {each["_id"]: each["messages"] for each in found}
        leases = {each["_id"] for each in self._leases.find({"_id": {"$in": list(claims)}}, {"_id": 1})}
        if orphans := claims.keys() - leases:
            self._claims.delete_many({"_id": {"$in": list(orphans)}})
        return {message for claim in leases for message in claims[claim]}


def _handed_over(lease: Document) -> list[MessageRef]:
    return [MessageRef(each["message"], each["epoch"]) for each in lease["handedOver"]]
