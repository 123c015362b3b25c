"""Soft bounces: a full mailbox, a server that is away. Many of them in a short time suppress an address too."""

from __future__ import annotations

from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from mailroom.platform.mongo import Document, Documents


class SoftBounces:
    """The collection `softBounces`: for each address, the messages that bounced lately.

    `most` messages within `period` are too many; 0: any number is allowed. Blocks for MongoDB's answers.
    """

    def __init__(self, collection: Documents, most: int, period: timedelta) -> None:
        self._collection = collection
        self._most = most
        self._period = period

    def add(self, key: str, message: ObjectId, at: datetime, now: datetime) -> str:
        """Counts a message that bounced at `at`; a message counts once.

        Returns why the address is to be suppressed now, or an empty text.
        """
        if not self._most or at < now - self._period:
            return ""
        recent = [each for each in self._noted(key, message, at)["bounces"] if each["at"] >= now - self._period]
        if len(recent) < self._most:
            return ""
        return f"{len(recent)} soft bounces within {self._period.total_seconds() / 86400:g} days"

    def forget(self, key: str) -> None:
        """Forgets an address: a person took it off the suppression list, or had it erased."""
        self._collection.delete_one({"_id": key})

    def expire(self, now: datetime) -> None:
        """Deletes what counts no more."""
        self._collection.delete_many({"updatedAt": {"$lt": now - self._period}})

    def _noted(self, key: str, message: ObjectId, at: datetime) -> Document:
        """Adds the message to the address, unless it is there. Returns the address as it is then."""
        change = {
            "$push": {"bounces": {"$each": [{"message": message, "at": at}], "$slice": -self._most}},
            "$max": {"updatedAt": at},
        }
        which = {"_id": key, "bounces.message": {"$ne": message}}
        while True:
            try:
                added = self._collection.find_one_and_update(
                    which, change, upsert=True, return_document=ReturnDocument.AFTER
                )
                if added is not None:
                    return added
            except DuplicateKeyError:  # the message is there, or another process made the document just now
                found = self._collection.find_one({"_id": key})
                if found is not None and any(each["message"] == message for each in found["bounces"]):
                    return found
