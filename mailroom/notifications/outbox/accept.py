"""Accepting messages, each of them once."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from bson import ObjectId
from msgspec import to_builtins
from pymongo.errors import BulkWriteError

from mailroom.errors import Invalid
from mailroom.notifications.message.request import Draft
from mailroom.notifications.message.unsubscribe import Subscription, UnsubscribeLinks
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import MailFrom, State, Unsubscription
from mailroom.platform.idempotency import RepeatableCall, find_earlier
from mailroom.platform.mongo import DUPLICATE_KEY, Document, Documents, errors_without_documents
from mailroom.platform.server_clock import ServerClock


class Submission(msgspec.Struct, frozen=True):
    """A message to accept. A `test` is stored, shown, and handed to nobody."""

    draft: Draft
    sender: MailFrom
    call: RepeatableCall | None = None
    test: bool = False


class Acceptance(msgspec.Struct, frozen=True):
    """`repeated`: an earlier call with the same key was accepted, and the document is its message as it is now."""

    document: Document
    repeated: bool


class Submissions:
    """Puts messages into the collection `notifications`. Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, collection: Documents, clock: ServerClock, links: UnsubscribeLinks | None = None) -> None:
        """`links` makes the links of messages with a topic. Without it, no message may have one."""
        self._collection = collection
        self._clock = clock
        self._links = links

    def accept(self, submissions: list[Submission], caller: str, *, answered: bool) -> list[Acceptance | Invalid]:
        """Writes the messages with majority. `answered`: the caller does not wait for what becomes of them.

        Returns for each submission what was accepted, or the refusal of a key that was used with another body.
        """
        now = self._clock.now()
        new = [self._document(submission, caller, now, answered) for submission in submissions]
        known = self._insert(new)
        return [
            self._repeated(submission, document) if index in known else Acceptance(document, repeated=False)
            for index, (submission, document) in enumerate(zip(submissions, new, strict=True))
        ]

    def known(self, call: RepeatableCall) -> Acceptance | None:
        """The message that was accepted with this key and this body, or None."""
        try:
            earlier = self._earlier(call)
        except Invalid:  # the key was used with another body
            return None
        return None if earlier is None else Acceptance(earlier, repeated=True)

    def note_answered(self, message: ObjectId) -> None:
        """Notes that the caller was answered "queued". A repeat then gets the same answer, whatever the state is."""
        self._collection.update_one({"_id": message}, {"$set": {"idempotency.answered": True}})

    def age(self, document: Document) -> timedelta:
        """The time since the message was accepted."""
        created: datetime = document["createdAt"]
        return self._clock.now() - created

    def _document(self, submission: Submission, caller: str, now: datetime, answered: bool) -> Document:
        document = new_document(submission.draft, ObjectId(), submission.sender, caller, now)
        if submission.call is not None:
            document["idempotency"] = {**to_builtins(submission.call), "answered": answered}
        if submission.draft.topic is not None:
            document["unsubscribe"] = to_builtins(self._unsubscription(submission.draft, document["_id"]))
        if submission.test:
            document["test"] = True
        return document

    def _unsubscription(self, draft: Draft, message: ObjectId) -> Unsubscription:
        assert self._links is not None
        assert draft.topic is not None
        [recipient] = draft.recipients
        return Unsubscription(draft.topic, self._links.make(Subscription(recipient.shown, draft.topic, message)))

    def _insert(self, new: list[Document]) -> set[int]:
        """Inserts the documents. Returns the indexes of those whose key or id exists already."""
        try:
            if new:
                with errors_without_documents():
                    self._collection.insert_many(new, ordered=False)
        except BulkWriteError as error:
            failures = error.details["writeErrors"]
            if any(each["code"] != DUPLICATE_KEY for each in failures) or error.details.get("writeConcernErrors"):
                raise
            return {each["index"] for each in failures}
        return set()

    def _repeated(self, submission: Submission, document: Document) -> Acceptance | Invalid:
        """The answer to a submission whose insert found its key, or its id, in the collection.

        No id is used twice. If it exists, the insert arrived, its answer was lost, and the driver repeated the insert.
        """
        if submission.call is None:
            return Acceptance(document, repeated=False)
        while True:
            try:
                earlier = self._earlier(submission.call)
            except Invalid as reused:
                return reused
            if earlier is not None:
                return Acceptance(earlier, repeated=earlier["_id"] != document["_id"])
            if not self._insert([document]):
                return Acceptance(document, repeated=False)

    def _earlier(self, call: RepeatableCall) -> Document | None:
        """The message that an earlier call with this key led to. Raises `Invalid` if that had another body."""
        return find_earlier(self._collection, call, self._clock.now())


def new_document(draft: Draft, message_id: ObjectId, sender: MailFrom, key_id: str, now: datetime) -> Document:
    """A new message. Its Message-ID and its date are made here and never change."""
    return {
        "_id": message_id,
        "keyId": key_id,
        "createdAt": now,
        "updatedAt": now,
        "dueAt": draft.send_at or now,
        "dueSince": draft.send_at or now,
        "priority": draft.priority,
        "state": State.QUEUED,
        "epoch": 0,
        "messageId": f"<{message_id}@{sender.domain}>",
        "from": to_builtins(sender),
        "sender": addresses.key(sender.address),
        "emailTo": draft.email_to,
        "recipients": to_builtins(draft.recipients),
        "addresses": sorted({addresses.key(recipient.shown) for recipient in draft.recipients}),
        "replyTo": to_builtins(draft.reply_to),
        "subject": draft.subject,
        "text": draft.text,
        "html": draft.html,
        "template": {"name": draft.template.name, "version": draft.template.version} if draft.template else None,
        "bodySince": now,
        "erasedAt": None,
        "attachments": to_builtins(draft.attachments, builtin_types=(bytes,)),
        "headers": to_builtins(draft.headers),
        "tags": draft.tags,
        "metadata": draft.metadata,
        "attempts": [],
        "attemptCount": 0,
        "attemptsBefore": 0,
        "error": None,
        "sentAt": None,
    }
