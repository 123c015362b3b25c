"""The deliveries in MongoDB, as the worker uses them: claimed, recorded, given up, removed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.database import Database

from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document
from mailroom.platform.retries import Retries
from mailroom.platform.server_clock import ServerClock
from mailroom.webhooks.model import MOST_ATTEMPTS_KEPT, Attempted, DeliveryState

_GONE = 410  # the endpoint wants no webhooks any more (Standard Webhooks)
_AT_ONCE = 500  # documents that one command removes


class Deliveries:
    """The collections `webhookDeliveries` and `webhooks`. Blocks for MongoDB's answers; errors are the driver's.

    A claim lasts for `lease`. If the worker dies, the delivery is due again then: the endpoint may get it twice.
    """

    def __init__(
        self,
        database: Database[Document],
        clock: ServerClock,
        lease: timedelta,
        retries: Retries,
        kept: timedelta | None,
    ) -> None:
        """Deliveries that have ended are kept for that long; None keeps them for ever."""
        self._deliveries = database["webhookDeliveries"]
        self._endpoints = database["webhooks"]
        self._clock = clock
        self._lease = lease
        self._retries = retries
        self._kept = kept

    def endpoints(self) -> dict[ObjectId, Document]:
        """The endpoints that are enabled, by id."""
        return {each["_id"]: each for each in self._endpoints.find({"enabled": True})}

    def claim(self, endpoints: Collection[ObjectId]) -> Document | None:
        """Claims the delivery to one of these endpoints that has been due for longest. None if there is none."""
        now = self._clock.now()
        until = now + self._lease
        return self._deliveries.find_one_and_update(
            {"dueAt": {"$lte": now}, "endpointId": {"$in": list(endpoints)}},
            {"$set": {"dueAt": until, "leaseUntil": until}},
            sort=[("dueAt", 1)],
            return_document=ReturnDocument.AFTER,
        )

    def record(self, delivery: Document, attempted: Attempted, at: datetime) -> None:
        """Writes how the attempt went, unless the lease was lost: then another worker has the delivery."""
        attempt = {
            "at": at,
            "status": attempted.status,
            "error": attempted.error,
            "milliseconds": attempted.milliseconds,
        }
        changes: Document = {"leaseUntil": None}
        if attempted.taken:
            changes |= {"state": DeliveryState.DELIVERED, "deliveredAt": self._clock.now()}
        elif attempted.status == _GONE or (wait := self._wait(delivery)) is None:
            changes["state"] = DeliveryState.DEAD
        else:
            changes["dueAt"] = self._clock.now() + timedelta(seconds=wait)
        update: Document = {
            "$set": changes,
            "$push": {"attempts": {"$each": [attempt], "$slice": -MOST_ATTEMPTS_KEPT}},
            "$inc": {"attemptCount": 1},
        }
        if "state" in changes:
            update["$unset"] = {"dueAt": ""}
        if attempted.status == _GONE:
            self._disable(delivery["endpointId"], "the endpoint answered 410 Gone")
        self._deliveries.update_one({"_id": delivery["_id"], "leaseUntil": delivery["leaseUntil"]}, update)

    def give_up(self) -> None:
        """Ends what has waited too long, for instance for an endpoint that is disabled or was removed."""
        before = self._clock.now() - timedelta(seconds=self._retries.give_up)
        self._deliveries.update_many(
            {"dueAt": {"$exists": True}, "dueSince": {"$lt": before}, "leaseUntil": None},
            {"$set": {"state": DeliveryState.DEAD}, "$unset": {"dueAt": ""}},
            hint="due",
        )

    def remove_old(self, budget: Budget) -> None:
        """Removes what ended long ago, as long as the budget lasts."""
        if self._kept is None:
            return
        which = {"createdAt": {"$lt": self._clock.now() - self._kept}, "dueAt": {"$exists": False}}
        while not budget.spent():
            found = self._deliveries.find(which, {"_id": 1}).hint("newest").limit(_AT_ONCE)
            ids = [each["_id"] for each in found]
            if not ids:
                return
            self._deliveries.delete_many({"_id": {"$in": ids}, "dueAt": {"$exists": False}})

    def _wait(self, delivery: Document) -> float | None:
        """Seconds until the next attempt, or None to give up."""
        age = (self._clock.now() - delivery["dueSince"]).total_seconds()
        if age >= self._retries.give_up:
            return None
        return self._retries.wait(delivery["attemptCount"] - delivery["attemptsBefore"] + 1)

    def _disable(self, endpoint: ObjectId, reason: str) -> None:
        now = self._clock.now()
        change = {"enabled": False, "disabledReason": reason, "updatedAt": now}
        self._endpoints.update_one({"_id": endpoint, "enabled": True}, {"$set": change})
