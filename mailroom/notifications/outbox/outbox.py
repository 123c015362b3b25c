"""The outbox: messages in MongoDB, and how senders work on them.

            accept          its sender was lost after the hand-over: due at once
    (none) -------> queued ------------------------------------------------------> sending
                     ^  |                                                             |
                     |  '----------------------- an attempt ended --------------------'
                     |                                  |
                     |--- deferred: dueAt = now + wait -|
                     |                                  '--> sent | partial | failed | suppressed | unknown
                     '--- resend, by a person: one of those, or cancelled

    queued --- cancel, by a person --> cancelled      queued, sending --- hold_all, after a restore --> unknown

A sender claims messages. Before the final dot it notes in its lease that it hands them over (see `claims.py`). Neither
changes the messages. Callers see a message that is handed over as `sending`, although its document says so only when
its sender was lost. Then the relay may have it or not: it is tried again, or becomes unknown with UNKNOWN_OUTCOME=hold.
An attempt that gets no answer after the dot ends in the same way. If the sender was lost before the hand-over, the
message is still queued.

Every other write names the epoch that the message was read with, and makes the next one. So the outbox refuses the late
result of a sender that was taken for lost.

One command changes many messages where they need the same change. MongoDB reports how many matched; if not all did, a
second query finds out which. A message without a next step has no `dueAt`, so the index `waiting` holds only messages
that wait.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo.errors import BulkWriteError

from mailroom.errors import LeaseLost
from mailroom.notifications.model import topics
from mailroom.notifications.model.messages import Priority, Recipient, RecipientStatus
from mailroom.notifications.outbox import changes
from mailroom.notifications.outbox.changes import FinishedAttempt
from mailroom.notifications.outbox.claims import Claim, ClaimedMessage, Claims, MessageRef
from mailroom.notifications.outbox.suppressions import Audience, Suppressions
from mailroom.platform.mongo import Document, Documents, errors_without_documents, is_transient
from mailroom.platform.server_clock import ServerClock
from mailroom.webhooks.announcements import Announcer

# The fields that a sender needs: most fields of a message are not among them.
_SENT_FIELDS = dict.fromkeys(
    (
        *("state", "epoch", "dueAt", "dueSince", "attemptCount", "attemptsBefore"),
        *("messageId", "createdAt", "from", "recipients", "replyTo", "subject"),
        *("text", "html", "headers", "unsubscribe", "test"),
        *(f"attachments.{name}" for name in ("filename", "contentType", "size", "object")),
    ),
    1,
)


class Outbox:
    """The collection `notifications` as senders use it. Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(
        self,
        collection: Documents,
        clock: ServerClock,
        claims: Claims,
        suppressions: Suppressions,
        announcer: Announcer,
    ) -> None:
        self._collection = collection
        self._clock = clock
        self._claims = claims
        self._suppressions = suppressions
        self._announcer = announcer

    def due(self, limit: int) -> list[MessageRef]:
        """Up to `limit` messages that are due and not claimed: higher priority first, then the longest wait.

        The messages of one priority are shuffled, so that two senders that ask at once do not claim the same ones.
        """
        now = self._clock.now()
        self._record_lost(now)
        claimed = self._claims.claimed(now)
        found: list[MessageRef] = []
        for priority in Priority:
            if left := limit - len(found):
                first = self._first_due(priority, now, left + len(claimed))
                free = [each for each in first if each.id not in claimed][:left]
                random.shuffle(free)
                found += free
        return found

    def _first_due(self, priority: Priority, now: datetime, limit: int) -> list[MessageRef]:
        """The messages of one priority that have waited longest. The index `waiting` serves filter and order."""
        which = {"priority": priority, "dueAt": {"$lte": now}}
        found = self._collection.find(which, {"epoch": 1}).sort("dueAt", 1).limit(limit)
        return [MessageRef(each["_id"], each["epoch"]) for each in found]

    def _record_lost(self, now: datetime) -> None:
        """Adds to the messages of lost senders that their attempts never ended.

        This makes the next epoch, so a sender that was only paused cannot write its result.
        """
        for lost in self._claims.close_expired(now):
            for messages, handed_over in ((lost.handed_over, True), (lost.others, False)):
                change = changes.lost(lost.claimed_at, now, handed_over=handed_over)
                for epoch in {each.epoch for each in messages}:
                    ids = [each.id for each in messages if each.epoch == epoch]
                    self._collection.update_many({"_id": {"$in": ids}, "epoch": epoch}, change)
            self._claims.release([lost.id])

    def claim(self, messages: Sequence[MessageRef]) -> list[ClaimedMessage]:
        """Claims the messages that are still due and that no other sender has claimed. Keeps the order."""
        now = self._clock.now()
        id_, wanted = self._claims.take(messages, now)
        if not wanted:
            return []
        # They may have been sent before they were claimed. From now on nobody else sends them.
        found = self._collection.find({"_id": {"$in": [each.id for each in wanted]}}, _SENT_FIELDS)
        by_id = {each["_id"]: each for each in found}
        documents = [
            document
            for each in wanted
            if (document := by_id.get(each.id)) and document["epoch"] == each.epoch and document["dueAt"] <= now
        ]
        claim = Claim(id_, len(documents))
        if not documents:
            self.release([claim])
            return []
        recipients = [msgspec.convert(each["recipients"], tuple[Recipient, ...]) for each in documents]
        suppressed = self._suppressions.among(
            [
                Audience([each for each in some if each.status is RecipientStatus.PENDING], topics.of(document))
                for document, some in zip(documents, recipients, strict=True)
            ]
        )
        return [ClaimedMessage(*each, claim, now) for each in zip(documents, recipients, suppressed, strict=True)]

    def claim_new(self, message: ObjectId) -> ClaimedMessage | None:
        """Claims a message that was just accepted. Returns None if another sender has it."""
        claimed = self.claim([MessageRef(message, 0)])
        return claimed[0] if claimed else None

    def release(self, claims: Sequence[Claim]) -> None:
        """Lets other senders claim the unfinished messages of these claims."""
        self._claims.release([claim.id for claim in claims])

    def attachments(self, message: ClaimedMessage) -> list[Document]:
        """The attachments with their contents, which may be large. Raises `LeaseLost` if the message was erased."""
        found = self._collection.find_one({"_id": message.id}, {"attachments": 1})
        if found is None:
            raise LeaseLost(f"notification {message.id} was erased")
        attachments: list[Document] = found["attachments"]
        return attachments

    def hand_over(self, messages: Sequence[ClaimedMessage]) -> list[bool]:
        """Notes that the final dots of these messages come next, and renews their leases.

        Returns for each message whether that is noted. If not, another sender has the message, or it was cancelled or
        erased: the dot must not be sent.
        """
        now = self._clock.now()
        by_claim: dict[ObjectId, list[ClaimedMessage]] = {}
        for message in messages:
            by_claim.setdefault(message.claim.id, []).append(message)
        noted: set[ClaimedMessage] = set()
        for claim, some in by_claim.items():
            if self._claims.hand_over(claim, [each.ref for each in some], now):
                noted.update(some)
            elif len(some) > 1:
                noted.update(each for each in some if self._claims.hand_over(claim, [each.ref], now))
        return [message in noted for message in messages]

    def record(self, attempts: Sequence[FinishedAttempt]) -> list[bool]:
        """Writes the results of attempts, and suppresses the addresses that bounced. Does not write a result twice.

        Returns for each attempt whether its result is written. If not, another sender has the message.
        """
        for each in attempts:
            self._suppressions.add_bounced(each.message.recipients, each.result, each.message.id)
        return self._write(attempts)

    def _write(self, attempts: Sequence[FinishedAttempt]) -> list[bool]:
        refused: BulkWriteError | None = None
        try:
            writes, announced = changes.finished(attempts, self._announcer, self._clock.now())
            with errors_without_documents():
                done = self._collection.bulk_write(writes, ordered=False).matched_count == len(attempts)
            if announced:
                self._announcer.announced()
        except BulkWriteError as error:
            if is_transient(error):
                raise
            if len(attempts) > 1:
                return self._write_each(attempts)
            done, refused = False, error
        return [True] * len(attempts) if done else self._recorded([each.message for each in attempts], refused)

    def _write_each(self, attempts: Sequence[FinishedAttempt]) -> list[bool]:
        """Writes the results one by one, so that a result that the server refuses does not stop the others.

        Raises the server's last refusal at the end.
        """
        recorded: list[bool] = []
        refused: BulkWriteError | None = None
        for each in attempts:
            try:
                recorded += self._write([each])
            except BulkWriteError as error:
                refused = error
        if refused is not None:
            raise refused
        return recorded

    def _recorded(self, messages: Sequence[ClaimedMessage], refused: BulkWriteError | None) -> list[bool]:
        """Returns for each message whether this attempt's result is written. Raises `refused` if one can still be."""
        found = self._collection.find({"_id": {"$in": [each.id for each in messages]}}, {"epoch": 1, "settledBy": 1})
        now_is = {each["_id"]: (each["epoch"], each.get("settledBy")) for each in found}
        if refused is not None and any(now_is.get(each.id, (-1, None))[0] == each.epoch for each in messages):
            raise refused
        return [now_is.get(each.id) == (each.epoch + 1, each.claim.id) for each in messages]

    def age(self, message: ClaimedMessage) -> float:
        """Seconds since the message was first due, or was resent."""
        since: datetime = message.document["dueSince"]
        return (self._clock.now() - since).total_seconds()
