"""Addresses that get no mail: those that bounced for good, those that people added, and those that unsubscribed.

An entry with a topic stops the mail of this topic. An entry without one stops all mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from mailroom.errors import NotSetUp
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import Recipient, Result
from mailroom.notifications.model.reports import is_gone
from mailroom.platform.keyset import NEWEST_FIRST, Key, KeysetPage, Range
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.server_clock import ServerClock

# Times to insert: an entry that was found may be removed at this moment.
_TRIES = 3


class Audience(NamedTuple):
    """The recipients of a message, and its topic if it has one."""

    recipients: Iterable[Recipient]
    topic: str | None


class Suppressions:
    """The collection `suppressions`. Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, collection: Documents, clock: ServerClock) -> None:
        self._collection = collection
        self._clock = clock

    def among(self, messages: Sequence[Audience]) -> list[frozenset[str]]:
        """For each message the addresses on the wire that are on the list, for all mail or for its topic."""
        keys = {each.wire: addresses.key(each.shown) for message in messages for each in message.recipients}
        found = self._collection.find({"key": {"$in": list(set(keys.values()))}}, {"_id": 0, "key": 1, "topic": 1})
        listed = {(each["key"], each.get("topic")) for each in found}
        if not listed:
            return [frozenset()] * len(messages)
        return [
            frozenset(
                each.wire
                for each in message.recipients
                if not listed.isdisjoint(((keys[each.wire], None), (keys[each.wire], message.topic)))
            )
            for message in messages
        ]

    def add_bounced(self, recipients: Iterable[Recipient], result: Result, message: ObjectId) -> None:
        """Adds the recipients whose mailbox does not exist, by the relay's answers in `result`."""
        gone = {
            step.recipient: step.text
            for step in result.steps
            if step.name == "rcpt" and step.code and step.code >= 500 and is_gone(step.text)
        }
        for recipient in recipients:
            if recipient.wire in gone:
                with suppress(NotSetUp):  # the result of the attempt must be recorded
                    self.add(recipient.shown, gone[recipient.wire], message)

    def add(self, shown: str, reason: str, message: ObjectId | None = None, topic: str | None = None) -> Document:
        """Adds an address, for all mail or for one topic. An entry that exists stays as it is. Returns the entry.

        Raises:
            NotSetUp: the index of an earlier version allows only one entry for each address.
        """
        which = {"key": addresses.key(shown), "topic": topic}
        document: Document = {
            **which,
            "_id": ObjectId(),
            "address": shown,
            "reason": reason,
            "notificationId": message,
            "createdAt": self._clock.now(),
        }
        for _ in range(_TRIES):
            try:
                self._collection.insert_one(document)
            except DuplicateKeyError:
                if found := self._collection.find_one(which):
                    return found
            else:
                return document
        raise NotSetUp("the collection suppressions has the unique index of an earlier version")

    def remove(self, shown: str, topic: str | None = None) -> bool:
        """Removes the entry for all mail, or that for one topic. Returns False if there is none."""
        return bool(self._collection.delete_one({"key": addresses.key(shown), "topic": topic}).deleted_count)

    def page(
        self, address: str | None, topic: str | None, limit: int, after: Key | None = None
    ) -> KeysetPage[Document]:
        """All entries, or only those of `address` or of `topic`. Newest first, beginning after the key `after`."""
        filters: Document = {}
        if address is not None:
            filters["key"] = addresses.key(address)
        if topic is not None:
            filters["topic"] = topic
        return Range(NEWEST_FIRST, filters).page(self._collection, limit, after)
