"""Addresses that get no mail: those that bounced for good, and those that people added."""

from __future__ import annotations

from collections.abc import Iterable

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import Recipient, Result
from mailroom.notifications.model.reports import is_gone
from mailroom.platform.keyset import NEWEST_FIRST, Key, KeysetPage, Range
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.server_clock import ServerClock


class Suppressions:
    """The collection `suppressions`. Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, collection: Documents, clock: ServerClock) -> None:
        self._collection = collection
        self._clock = clock

    def among(self, recipients: Iterable[Recipient]) -> frozenset[str]:
        """The addresses on the wire of the recipients, of one message or of many, that are on the list."""
        keys = {each.wire: addresses.key(each.shown) for each in recipients}
        found = self._collection.find({"key": {"$in": list(set(keys.values()))}}, {"_id": 0, "key": 1})
        listed = {each["key"] for each in found}
        return frozenset(wire for wire, key in keys.items() if key in listed)

    def add_bounced(self, recipients: Iterable[Recipient], result: Result, message: ObjectId) -> None:
        """Adds the recipients whose mailbox does not exist, by the relay's answers in `result`."""
        gone = {
            step.recipient: step.text
            for step in result.steps
            if step.name == "rcpt" and step.code and step.code >= 500 and is_gone(step.text)
        }
        for recipient in recipients:
            if recipient.wire in gone:
                self.add(recipient.shown, gone[recipient.wire], message)

    def add(self, shown: str, reason: str, message: ObjectId | None = None) -> Document:
        """Adds an address. An entry that exists stays as it is. Returns the entry."""
        key = addresses.key(shown)
        document: Document = {
            "_id": ObjectId(),
            "key": key,
            "address": shown,
            "reason": reason,
            "notificationId": message,
            "createdAt": self._clock.now(),
        }
        try:
            self._collection.insert_one(document)
        except DuplicateKeyError:
            return self._collection.find_one({"key": key}) or document
        return document

    def remove(self, shown: str) -> bool:
        """Returns False if the address was not on the list."""
        return bool(self._collection.delete_one({"key": addresses.key(shown)}).deleted_count)

    def page(self, address: str | None, limit: int, after: Key | None = None) -> KeysetPage[Document]:
        """All entries, or only that of `address`. Newest first, beginning after the key `after`."""
        filters = {} if address is None else {"key": addresses.key(address)}
        return Range(NEWEST_FIRST, filters).page(self._collection, limit, after)
