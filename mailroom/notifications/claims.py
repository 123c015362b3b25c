"""Who goes for which messages: one document for all that a sender claims together.

It keeps others from the same work, and no more than that: the epochs of the outbox see to it that nothing is sent by
two. A claim is deleted when the last of its messages is done with. One whose time is over has lost its sender.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from mailroom.platform.mongo import Document, Documents


@dataclass(frozen=True)
class Due:
    """A message that is due, as it was with this epoch. `lost`: it is in delivery, and its lease is over."""

    id: ObjectId
    epoch: int
    lost: bool


@dataclass(eq=False)
class Group:
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


@dataclass(eq=False)
class Claim:
    """A message that this process may send until the lease ends. The contents of its attachments are left out.

    `epoch` is the one that the next write names; each write of ours moves it on. `at` is when it was claimed;
    `attempts` is how many there are since the message was accepted or resent, with this one. `interrupted` says that an
    attempt before it never ended, `handed_over` that the relay may have the message from it.
    """

    document: Document
    group: Group
    at: datetime
    epoch: int
    attempts: int
    interrupted: bool = False
    handed_over: bool = False

    @property
    def id(self) -> ObjectId:
        found: ObjectId = self.document["_id"]
        return found


class Claims:
    """The collection `claims`. A unique index over `messages` allows each message one claim."""

    def __init__(self, collection: Documents, lease: timedelta) -> None:
        self._collection = collection
        self._lease = lease

    def take(self, messages: Sequence[Due], now: datetime) -> tuple[ObjectId, list[Due]]:
        """Claims those of `messages` that nobody else has claimed; they may be none."""
        claim, wanted = ObjectId(), list(messages)
        while wanted:
            document = {
                "_id": claim,
                "at": now,
                "until": now + self._lease,
                "messages": [each.id for each in wanted],
                "epochs": [each.epoch for each in wanted],
            }
            try:
                self._collection.insert_one(document)
                break
            except DuplicateKeyError:
                others = self._listed({"messages": {"$in": document["messages"]}})
                wanted = [each for each in wanted if each.id not in others]
        return claim, wanted

    def taken(self, now: datetime) -> set[ObjectId]:
        """The messages of all claims."""
        return self._listed({"until": {"$gt": now}})

    def lost(self, now: datetime) -> list[Document]:
        """The claims whose time is over."""
        return list(self._collection.find({"until": {"$lte": now}}))

    def release(self, claims: Sequence[ObjectId]) -> None:
        """Those that are gone already are no error."""
        self._collection.delete_many({"_id": {"$in": list(claims)}})

    def _listed(self, which: Document) -> set[ObjectId]:
        return {message for each in self._collection.find(which, {"messages": 1}) for message in each["messages"]}
