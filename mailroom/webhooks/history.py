"""Deliveries as callers see them: lists, one of them, and what people decide about them."""

from __future__ import annotations

from collections.abc import Sequence

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.database import Database

from mailroom.errors import Conflict, NotFound
from mailroom.platform.idempotency import MOST_REPEATABLE, REMEMBERED, is_remembered
from mailroom.platform.keyset import NEWEST_FIRST, Key, KeysetPage, Range
from mailroom.platform.mongo import Document, counted
from mailroom.platform.server_clock import ServerClock
from mailroom.webhooks.model import DeliveryState, delivery_id

_LISTED = {"payload": 0}


class WebhookDeliveries:
    """The collection `webhookDeliveries`. Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, database: Database[Document], clock: ServerClock) -> None:
        self._deliveries = database["webhookDeliveries"]
        self._clock = clock

    def page(
        self, endpoint: ObjectId, state: DeliveryState | None, limit: int, after: Key | None = None
    ) -> KeysetPage[Document]:
        """The deliveries to an endpoint, all or in one state. Newest first, beginning after the key `after`."""
        filters: Document = {"endpointId": endpoint}
        index = "endpoint"
        if state is not None:
            filters, index = filters | {"state": state}, "state"
        return Range(NEWEST_FIRST, filters, hint=index).page(self._deliveries, limit, after, _LISTED)

    def counts(self, endpoint: ObjectId) -> dict[str, int]:
        """How many deliveries to an endpoint are in each state, up to `MOST_COUNTED` of each."""
        return {
            state.value: counted(self._deliveries, {"endpointId": endpoint, "state": state}, "state")
            for state in DeliveryState
        }

    def get(self, endpoint: ObjectId, announcement: ObjectId) -> Document:
        """Raises `NotFound`."""
        found = self._deliveries.find_one({"_id": delivery_id(endpoint, str(announcement))})
        if found is None:
            raise NotFound("delivery.unknown", "there is no such delivery")
        return found

    def redeliver(self, endpoint: ObjectId, announcement: ObjectId, key: str | None = None) -> Document:
        """Makes a delivery due at once, whatever became of it; its give-up age begins anew. Returns the delivery.

        A repeated call with the same `key` changes nothing. `key` is unique among all callers.

        Raises:
            NotFound: there is no such delivery.
            Conflict: a worker is delivering it.
        """
        now = self._clock.now()
        which: Document = {"_id": delivery_id(endpoint, str(announcement)), "leaseUntil": {"$not": {"$gt": now}}}
        due = {"state": DeliveryState.PENDING, "dueAt": now, "dueSince": now, "leaseUntil": None}
        change: Document = {**due, "attemptsBefore": "$attemptCount"}
        if key is not None:
            which["redeliveries"] = {"$not": {"$elemMatch": {"key": key, "at": {"$gt": now - REMEMBERED}}}}
            keys = [{"$ifNull": ["$redeliveries", []]}, {"$literal": [{"key": key, "at": now}]}]
            change["redeliveries"] = {"$slice": [{"$concatArrays": keys}, -MOST_REPEATABLE]}
        changed = self._deliveries.find_one_and_update(which, [{"$set": change}], return_document=ReturnDocument.AFTER)
        if changed is not None:
            return changed
        found = self.get(endpoint, announcement)
        if is_remembered(found.get("redeliveries", []), key, now):
            return found
        raise Conflict("delivery.in_progress", "this delivery is being made just now", retry_after=1)

    def forget(self, sources: Sequence[ObjectId]) -> None:
        """Deletes the deliveries that tell of these notifications or imports."""
        self._deliveries.delete_many({"sourceId": {"$in": list(sources)}})
