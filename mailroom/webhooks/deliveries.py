"""The deliveries in MongoDB, as the worker uses them: claimed, recorded, given up, removed."""

from __future__ import annotations

from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.database import Database

from mailroom.platform.clock import Budget, rfc3339
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
        *,
        kept: timedelta | None,
        disable_after: timedelta | None,
    ) -> None:
        """Deliveries that have ended are `kept` for that long; None keeps them for ever.

        An endpoint that takes nothing for `disable_after` is disabled when a delivery is given up; None: it never is.
        """
        self._deliveries = database["webhookDeliveries"]
        self._endpoints = database["webhooks"]
        self._clock = clock
        self._lease = lease
        self._retries = retries
        self._kept = kept
        self._disable_after = disable_after

    def endpoints(self) -> dict[ObjectId, Document]:
        """The endpoints that are enabled, by id."""
        return {each["_id"]: each for each in self._endpoints.find({"enabled": True})}

    def claim(self, endpoint: ObjectId) -> Document | None:
        """Claims the delivery to this endpoint that has been due for longest. None if there is none."""
        now = self._clock.now()
        until = now + self._lease
        return self._deliveries.find_one_and_update(
            {"endpointId": endpoint, "dueAt": {"$exists": True, "$lte": now}},
            {"$set": {"dueAt": until, "leaseUntil": until}},
            sort=[("dueAt", 1)],
            hint="endpointDue",
            return_document=ReturnDocument.AFTER,
        )

    def record(self, delivery: Document, endpoint: Document, attempted: Attempted, at: datetime) -> None:
        """Writes how the attempt went, unless the lease was lost: then another worker has the delivery.

        `endpoint` is as it was read before. What the attempt says of the endpoint is written first: after a crash
        between the two, the next attempt says it again.
        """
        now = self._clock.now()
        wait = None if attempted.status == _GONE else self._wait(delivery, now)
        changes: Document = {"leaseUntil": None}
        if attempted.taken:
            self._works(endpoint)
            changes |= {"state": DeliveryState.DELIVERED, "deliveredAt": now}
        else:
            self._fails(endpoint, attempted, now, given_up=wait is None)
            changes |= {"state": DeliveryState.DEAD} if wait is None else {"dueAt": now + timedelta(seconds=wait)}
        attempt = {name: getattr(attempted, name) for name in ("status", "error", "milliseconds")}
        update: Document = {
            "$set": changes,
            "$push": {"attempts": {"$each": [{"at": at, **attempt}], "$slice": -MOST_ATTEMPTS_KEPT}},
            "$inc": {"attemptCount": 1},
        }
        if "state" in changes:
            update["$unset"] = {"dueAt": ""}
        self._deliveries.update_one({"_id": delivery["_id"], "leaseUntil": delivery["leaseUntil"]}, update)

    def give_up(self) -> None:
        """Ends what has waited too long for an endpoint that is disabled, was removed, or has failed for as long.

        For other endpoints it is still tried once, for instance after days without a worker.
        """
        now = self._clock.now()
        before = now - timedelta(seconds=self._retries.give_up)
        tried = [id_ for id_, each in self.endpoints().items() if each.get("failingSince", now) > before]
        which = {"dueAt": {"$exists": True, "$lte": now}, "dueSince": {"$lt": before}, "endpointId": {"$nin": tried}}
        change = {"$set": {"state": DeliveryState.DEAD, "leaseUntil": None}, "$unset": {"dueAt": ""}}
        self._deliveries.update_many(which, change, hint="waiting")

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

    def _wait(self, delivery: Document, now: datetime) -> float | None:
        """Seconds until the next attempt, or None to give up."""
        if (now - delivery["dueSince"]).total_seconds() >= self._retries.give_up:
            return None
        return self._retries.wait(delivery["attemptCount"] - delivery["attemptsBefore"] + 1)

    def _works(self, endpoint: Document) -> None:
        if "failingSince" in endpoint:
            self._endpoints.update_one({"_id": endpoint["_id"]}, {"$unset": {"failingSince": ""}})

    def _fails(self, endpoint: Document, attempted: Attempted, now: datetime, *, given_up: bool) -> None:
        """Notes since when the endpoint fails, and disables it if it is gone or has failed for too long."""
        since = endpoint.get("failingSince")
        if attempted.status == _GONE:
            self._disable({"_id": endpoint["_id"]}, "the endpoint answered 410 Gone", now)
        elif since is None:
            self._endpoints.update_one({"_id": endpoint["_id"], "failingSince": None}, {"$set": {"failingSince": now}})
        elif given_up and self._disable_after is not None and since <= now - self._disable_after:
            reason = f"no delivery has succeeded since {rfc3339(since)}"
            self._disable({"_id": endpoint["_id"], "failingSince": since}, reason, now)

    def _disable(self, which: Document, reason: str, now: datetime) -> None:
        change = {"enabled": False, "disabledReason": reason, "updatedAt": now}
        self._endpoints.update_one({**which, "enabled": True}, {"$set": change})
