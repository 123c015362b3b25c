"""Erasing: old bodies, old messages, and one person's messages."""

from __future__ import annotations

from datetime import datetime, timedelta

from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import State
from mailroom.notifications.outbox.actions import MessageActions
from mailroom.notifications.outbox.soft_bounces import SoftBounces
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.server_clock import ServerClock
from mailroom.webhooks.history import WebhookDeliveries

SWEEP_ID = "notifications-retention"

_BETWEEN_SWEEPS = timedelta(hours=1)
_BATCH = 500  # messages that one command changes, so that a sweep keeps its budget

_ENDED = [state for state in State if state not in (State.QUEUED, State.SENDING)]


class Erasure:
    """Erases messages when somebody asks for it. Blocks for MongoDB's answers."""

    def __init__(
        self, messages: Documents, actions: MessageActions, deliveries: WebhookDeliveries, soft_bounces: SoftBounces
    ) -> None:
        self._messages = messages
        self._actions = actions
        self._deliveries = deliveries
        self._soft_bounces = soft_bounces

    def erase(self, shown: str) -> tuple[int, int]:
        """Deletes every message to that address, also those with further recipients, except those being sent now.

        What webhooks tell of these messages is deleted too. Returns how many messages it deleted, and how many it left
        because they are being sent.
        """
        which: Document = {"addresses": addresses.key(shown)}
        ids = [each["_id"] for each in self._messages.find(which, {"_id": 1}).hint("recipient")]
        self._deliveries.forget(ids)  # before the messages, so that a call after an interruption finds all
        self._soft_bounces.forget(which["addresses"])
        waiting = self._actions.erase_waiting(which["addresses"])
        ended = self._messages.delete_many({**which, "state": {"$in": _ENDED}}, hint="recipient").deleted_count
        self._deliveries.forget(ids)  # those that were made meanwhile
        return waiting + ended, self._messages.count_documents(which)

    def erase_message(self, message: ObjectId) -> bool:
        """Deletes one message, and what webhooks tell of it. Returns False if there is none, or it is being sent."""
        self._deliveries.forget([message])  # before the message, so that a call after an interruption finds it
        ended = {"_id": message, "state": {"$in": _ENDED}}
        erased = self._actions.erase_waiting_message(message) or self._messages.delete_one(ended).deleted_count > 0
        self._deliveries.forget([message])  # those that were made meanwhile
        return erased


class Retention:
    """Erases what is old. `bodies` and `whole` are the ages, since acceptance, at which bodies and messages are erased.

    None keeps them. Blocks for MongoDB's answers.
    """

    def __init__(
        self,
        database: Database[Document],
        deliveries: WebhookDeliveries,
        soft_bounces: SoftBounces,
        clock: ServerClock,
        *,
        bodies: timedelta | None,
        whole: timedelta | None,
    ) -> None:
        self._messages = database["notifications"]
        self._cursors = database["cursors"]
        self._deliveries = deliveries
        self._soft_bounces = soft_bounces
        self._clock = clock
        self._bodies = bodies
        self._whole = whole

    def sweep(self, budget: Budget) -> None:
        """Erases what is old enough, once an hour. If the budget ends it, the next sweep goes on."""
        if budget.spent():
            return
        now = self._clock.now()
        if not self._is_due(now):
            return
        self._soft_bounces.expire(now)
        if self._whole is not None:
            self._delete_before(now - self._whole, budget)
        if self._bodies is not None:
            self._erase_bodies_before(now - self._bodies, now, budget)

    def _is_due(self, now: datetime) -> bool:
        """Whether this process is to sweep now. Of several processes that ask, one gets True, once an hour."""
        which = {"_id": SWEEP_ID, "dueAt": {"$lte": now}}
        try:
            update = {"$set": {"dueAt": now + _BETWEEN_SWEEPS}}
            done = self._cursors.update_one(which, update, upsert=True)
        except DuplicateKeyError:  # the cursor exists and is not due
            return False
        return bool(done.matched_count or done.upserted_id)

    def _delete_before(self, time: datetime, budget: Budget) -> None:
        which = {"createdAt": {"$lt": time}, "state": {"$in": _ENDED}}
        while not budget.spent() and (ids := self._some(which, "createdAt", "newest")):
            self._deliveries.forget(ids)
            self._messages.delete_many({"_id": {"$in": ids}, "state": {"$in": _ENDED}})

    def _erase_bodies_before(self, time: datetime, now: datetime, budget: Budget) -> None:
        which = {"bodySince": {"$lt": time}, "state": {"$in": _ENDED}}
        change = {
            "$set": {"text": "", "html": "", "headers": [], "attachments.$[].content": b"", "erasedAt": now},
            "$unset": {"bodySince": ""},
            "$inc": {"epoch": 1},  # a resend that read the message with its body is refused
        }
        while not budget.spent() and (ids := self._some(which, "bodySince", "body")):
            self._messages.update_many({"_id": {"$in": ids}, "state": {"$in": _ENDED}}, change)

    def _some(self, which: Document, order: str, index: str) -> list[ObjectId]:
        # Most messages have one of these states, so a server may choose the index of the states, or none.
        found = self._messages.find(which, {"_id": 1}).sort(order, 1).limit(_BATCH).hint(index)
        return [each["_id"] for each in found]
