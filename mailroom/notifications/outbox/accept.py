"""Accepting messages, once each."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from bson import ObjectId
from pymongo.errors import BulkWriteError

from mailroom.errors import Invalid
from mailroom.notifications.message.request import Draft
from mailroom.notifications.model.messages import MailFrom
from mailroom.notifications.outbox import documents
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.server_clock import ServerClock

_DUPLICATE_KEY = 11000

REMEMBERED = timedelta(hours=24)


class Idempotency(msgspec.Struct, frozen=True):
    """A caller's key: `key` is unique among all callers, `digest` stands for the request's body."""

    key: str
    digest: str


class Submission(msgspec.Struct, frozen=True):
    """A message to be accepted."""

    draft: Draft
    idempotency: Idempotency | None = None


class Acceptance(msgspec.Struct, frozen=True):
    """`repeated`: the document is that of an earlier call with the same key, as it is now."""

    document: Document
    repeated: bool


class Submissions:
    """Puts messages into the collection `notifications`. Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, collection: Documents, clock: ServerClock, sender: MailFrom) -> None:
        self._collection = collection
        self._clock = clock
        self._sender = sender

    def accept(self, orders: list[Submission], caller: str, *, answered: bool) -> list[Acceptance | Invalid]:
        """Writes the messages with majority. `answered`: the caller is told at once, and not what becomes of them.

        Returns for each order what was accepted, or the refusal of a key that was used with another body.
        """
        now = self._clock.now()
        documents_ = [self._document(order, caller, now, answered) for order in orders]
        known = self._insert(documents_)
        return [
            self._repeated(order, document) if index in known else Acceptance(document, repeated=False)
            for index, (order, document) in enumerate(zip(orders, documents_, strict=True))
        ]

    def _document(self, order: Submission, caller: str, now: datetime, answered: bool) -> Document:
        document = documents.from_draft(order.draft, ObjectId(), self._sender, caller, now)
        if order.idempotency is not None:
            key, digest = order.idempotency.key, order.idempotency.digest
            document["idempotency"] = {"key": key, "digest": digest, "answered": answered}
        return document

    def _insert(self, new: list[Document]) -> set[int]:
        """Inserts what is new. Returns the places of those whose key or id is known."""
        try:
            if new:
                self._collection.insert_many(new, ordered=False)
        except BulkWriteError as error:
            failures = error.details["writeErrors"]
            if any(each["code"] != _DUPLICATE_KEY for each in failures) or error.details.get("writeConcernErrors"):
                raise
            return {each["index"] for each in failures}
        return set()

    def _repeated(self, order: Submission, document: Document) -> Acceptance | Invalid:
        """What an insert that found its key, or its id, taken came to.

        Nobody else has the id: the write arrived before, its answer was lost, and the driver sent it again.
        """
        if order.idempotency is None:
            return Acceptance(document, repeated=False)
        while True:
            try:
                earlier = self._earlier(order.idempotency)
            except Invalid as reused:
                return reused
            if earlier is not None:
                return Acceptance(earlier, repeated=earlier["_id"] != document["_id"])
            if not self._insert([document]):
                return Acceptance(document, repeated=False)

    def known(self, idempotency: Idempotency) -> Acceptance | None:
        """What was accepted with this key and body, if anything was."""
        try:
            earlier = self._earlier(idempotency)
        except Invalid:  # with another body
            return None
        return None if earlier is None else Acceptance(earlier, repeated=True)

    def _earlier(self, idempotency: Idempotency) -> Document | None:
        """The message that has the key; None when it was forgotten meanwhile, after 24 hours."""
        found = self._collection.find_one({"idempotency.key": idempotency.key})
        if found is None:
            return None
        if self._clock.now() - found["createdAt"] >= REMEMBERED:
            which = {"_id": found["_id"], "idempotency.key": idempotency.key}
            self._collection.update_one(which, {"$unset": {"idempotency": ""}})
            return None
        if found["idempotency"]["digest"] != idempotency.digest:
            raise Invalid(None, "idempotency.reused", "this Idempotency-Key was used with another body")
        return found

    def note_answered(self, message: ObjectId) -> None:
        """The caller was told "queued": a repeat is told the same, whatever has become of the message since."""
        self._collection.update_one({"_id": message}, {"$set": {"idempotency.answered": True}})

    def age(self, document: Document) -> timedelta:
        created: datetime = document["createdAt"]
        return self._clock.now() - created
