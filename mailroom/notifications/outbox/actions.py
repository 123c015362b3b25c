"""What people decide about messages: cancel, resend, erase, hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec
from bson import ObjectId

from mailroom.notifications.model.messages import Recipient, State
from mailroom.notifications.outbox import outcomes
from mailroom.notifications.outbox.claims import Claims, MessageRef
from mailroom.platform.idempotency import MOST_REPEATABLE, is_remembered
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.server_clock import ServerClock

_EPOCH = {"epoch": 1}

_HELD_AT_ONCE = 500  # messages that one command holds, so that it ends within the time-out of MongoDB


class MessageActions:
    """Acts on the collection `notifications`. Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, collection: Documents, clock: ServerClock, claims: Claims) -> None:
        self._collection = collection
        self._clock = clock
        self._claims = claims

    def cancel(self, message: ObjectId) -> bool:
        """Cancels a message that waits. Returns False if there is none, it does not wait, or it is handed over."""
        change = {"$set": {"state": State.CANCELLED, "updatedAt": self._clock.now()}, "$unset": {"dueAt": ""}}
        found = self._collection.find({"_id": message, "state": State.QUEUED}, _EPOCH)
        with self._seized(found) as seized:
            return any(self._change(each, change) for each in seized)

    def resend(self, document: Document, key: str | None = None) -> bool:
        """Queues an ended message, as it was read, for every recipient who has not got it; for all if all have.

        The `key` of the call is kept for `is_resent`. Returns False if it waits or is being sent, its body was erased,
        or it has changed since it was read.
        """
        if document["state"] in (State.QUEUED, State.SENDING) or document["erasedAt"] is not None:
            return False
        recipients = msgspec.convert(document["recipients"], tuple[Recipient, ...])
        now = self._clock.now()
        values = {
            "state": State.QUEUED,
            "recipients": msgspec.to_builtins(outcomes.reopen(recipients)),
            "error": None,
            "dueAt": now,
            "dueSince": now,
            "attemptsBefore": document["attemptCount"],
            "updatedAt": now,
        }
        if key is not None:
            values["resends"] = [*document.get("resends", []), {"key": key, "at": now}][-MOST_REPEATABLE:]
        return self._change(MessageRef(document["_id"], document["epoch"]), {"$set": values})

    def is_resent(self, document: Document, key: str | None) -> bool:
        """Whether a call with this `key` has queued the message again lately: a repeat must not send it once more."""
        return is_remembered(document.get("resends", []), key, self._clock.now())

    def erase_waiting(self, address: str) -> int:
        """Deletes the messages to `address` (an `addresses.key`) that wait, except those that are handed over.

        Returns how many it deleted.
        """
        found = self._collection.find({"addresses": address, "state": State.QUEUED}, _EPOCH).hint("recipient")
        return self._erase(found)

    def erase_waiting_message(self, message: ObjectId) -> bool:
        """Deletes a message that waits. Returns False if there is none, it does not wait, or it is handed over."""
        return self._erase(self._collection.find({"_id": message, "state": State.QUEUED}, _EPOCH)) > 0

    def _erase(self, found: Iterable[Document]) -> int:
        with self._seized(found) as seized:
            ids = [each.id for each in seized]
            return self._collection.delete_many({"_id": {"$in": ids}, "state": State.QUEUED}).deleted_count

    @contextmanager
    def _seized(self, found: Iterable[Document]) -> Iterator[Sequence[MessageRef]]:
        """The messages of `found` that are not handed over. No sender has or gets them inside the `with` block."""
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


def hold_all(collection: Documents, now: datetime) -> int:
    """Makes every message that waits or is being sent `unknown`. Returns how many there were.

    For messages from a backup: they may have been sent since, so a person decides about each.
    """
    change = {
        "$set": {
            "state": State.UNKNOWN,
            "error": {"code": "delivery.unknown", "message": "restored from a backup; it may have been sent since"},
            "updatedAt": now,
        },
        "$inc": {"epoch": 1},
        "$unset": {"dueAt": ""},
    }
    which = {"state": {"$in": [State.QUEUED, State.SENDING]}}
    held = 0
    while ids := [each["_id"] for each in collection.find(which, {"_id": 1}).limit(_HELD_AT_ONCE)]:
        held += collection.update_many({**which, "_id": {"$in": ids}}, change).modified_count
    return held
