"""Who works on which messages, and what of them is handed over: two documents for all that a sender claims together.

    claims    messages, epochs             a unique index allows each message one claim; written once
    leases    until, handedOver, barred    what the claim is worth, with the same id; written for each hand-over

They are two so that what is written often has no index over many values. A lease is there before its claim and goes
after it: a claim without one is what a crash left, and whoever is in its way removes it.

The hand-over of messages is noted in the lease, before their final dots, if it is still open and none of them is
barred. That is one write to one document, so of a hand-over and whatever would prevent it a single one comes first:

    a sender that was lost    its lease is closed when its time is over; nothing is handed over any more
    cancel, erase             the message is barred unless it is handed over, and then claimed by who decides about it
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

from mailroom.platform.mongo import Document

# Of a claim that is no sender's: whoever decides about messages writes their next epochs himself.
_NO_EPOCH = -1

# How often a message that goes from one claim to the next is gone after.
_TRIES = 5


class MessageRef(NamedTuple):
    """A message that is due, as it was with this epoch."""

    id: ObjectId
    epoch: int


class Claim(msgspec.Struct, eq=False):
    """Messages that were claimed together. `left` of them are not done with.

    One that `failed` has no result: the claim is kept until its time is over, so that it is not tried again at once.
    """

    id: ObjectId
    left: int
    failed: bool = False

    def done(self, *, failed: bool = False) -> bool:
        """One message is done with. Whether the claim is to be released."""
        self.left -= 1
        self.failed |= failed
        return self.left == 0 and not self.failed


class ClaimedMessage(msgspec.Struct, eq=False):
    """A message that this process may send until the lease ends. The contents of its attachments are left out.

    `epoch` is the one that its result names. `at` is when it was claimed; `attempts` is how many there are since the
    message was accepted or resent, with this one. `in_doubt`: the relay may have it from an attempt that never ended.
    """

    document: Document
    group: Claim
    at: datetime
    attempts: int
    in_doubt: bool

    @property
    def id(self) -> ObjectId:
        found: ObjectId = self.document["_id"]
        return found

    @property
    def epoch(self) -> int:
        found: int = self.document["epoch"]
        return found


class LostClaim(msgspec.Struct, frozen=True):
    """A claim whose sender was lost: the messages that it had handed over, and the others, as they were then."""

    id: ObjectId
    at: datetime
    handed_over: Sequence[MessageRef]
    others: Sequence[MessageRef]


class Claims:
    """The collections `claims` and `leases`. A claim lasts for `lease`, anew from each hand-over."""

    def __init__(self, database: Database[Document], lease: timedelta) -> None:
        self._claims = database["claims"]
        self._leases = database["leases"]
        self._lease = lease

    def take(self, messages: Sequence[MessageRef], now: datetime) -> tuple[ObjectId, list[MessageRef]]:
        """Claims those of `messages` that nobody else has claimed; they may be none."""
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
                others = self._held(ids)
                wanted = [each for each in wanted if each.id not in others]
        if not wanted:
            self.release([claim])
        return claim, wanted

    def seize(self, messages: Sequence[MessageRef], now: datetime) -> tuple[ObjectId, list[MessageRef]]:
        """Takes those of `messages`, as they were read, that are not handed over from whoever has claimed them: from
        now on no sender sends them. To be released by the caller.
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
            self.release([claim])  # somebody was quicker with one of them
        return claim, [left[each.id] for each in seized]

    def hand_over(self, claim: ObjectId, messages: Sequence[MessageRef], now: datetime) -> bool:
        """Notes that the final dots of these messages come next. False, and nothing is noted, when one may not go."""
        which = {"_id": claim, "closed": False, "barred": {"$nin": [each.id for each in messages]}}
        noted = [{"message": each.id, "epoch": each.epoch} for each in messages]
        change = {"$push": {"handedOver": {"$each": noted}}, "$set": {"until": now + self._lease}}
        return bool(self._leases.update_one(which, change).matched_count)

    def handed_over(self) -> set[MessageRef]:
        """The messages of all claims that were handed over, as they were then."""
        return {each for lease in self._leases.find({}, {"handedOver": 1}) for each in _handed_over(lease)}

    def taken(self, now: datetime) -> set[ObjectId]:
        """The messages of all claims whose time is not over."""
        live = [each["_id"] for each in self._leases.find({"until": {"$gt": now}}, {"_id": 1})]
        claims = self._claims.find({"_id": {"$in": live}}, {"messages": 1}) if live else ()
        return {message for each in claims for message in each["messages"]}

    def lost(self, now: datetime) -> list[LostClaim]:
        """The claims whose time is over. From now on nothing of them is handed over."""
        over = self._leases.find({"until": {"$lte": now}}, {"_id": 1})
        return [lost for each in over if (lost := self._close(each["_id"], now)) is not None]

    def release(self, claims: Sequence[ObjectId]) -> None:
        """Those that are gone already are no error."""
        which = {"_id": {"$in": list(claims)}}
        self._claims.delete_many(which)
        self._leases.delete_many(which)

    def _close(self, claim: ObjectId, now: datetime) -> LostClaim | None:
        """None when a hand-over was quicker, and the lease goes on."""
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
        """Takes the message out of the claim, unless it is handed over with it."""
        handed_over = {"$elemMatch": {"message": message.id, "epoch": {"$gte": message.epoch}}}
        barred = self._leases.update_one(
            {"_id": claim, "handedOver": {"$not": handed_over}}, {"$push": {"barred": message.id}}
        )
        if not barred.matched_count and self._leases.find_one({"_id": claim}, {"_id": 1}) is not None:
            return False
        # Another id in its place: the places of the others tell their epochs.
        self._claims.update_one({"_id": claim, "messages": message.id}, {"$set": {"messages.$": ObjectId()}})
        return True

    def _held(self, messages: Sequence[ObjectId]) -> set[ObjectId]:
        """The messages of those claims that have some of these and a lease; those that have none are removed."""
        found = self._claims.find({"messages": {"$in": list(messages)}}, {"messages": 1})
        claims = {each["_id"]: each["messages"] for each in found}
        leases = {each["_id"] for each in self._leases.find({"_id": {"$in": list(claims)}}, {"_id": 1})}
        if orphans := claims.keys() - leases:
            self._claims.delete_many({"_id": {"$in": list(orphans)}})
        return {message for claim in leases for message in claims[claim]}


def _handed_over(lease: Document) -> list[MessageRef]:
    return [MessageRef(each["message"], each["epoch"]) for each in lease["handedOver"]]
