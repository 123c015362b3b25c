"""Deliveries as callers see them: lists, one of them, and what people decide about them."""

from __future__ import annotations

from collections.abc import Sequence

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.database import Database

from mailroom.errors import Conflict, NotFound
from mailroom.platform.keyset import NEWEST_FIRST, Key, KeysetPage, Range
from mailroom.platform.mongo import Document
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

    def get(self, endpoint: ObjectId, announcement: ObjectId) -> Document:
        """Raises `NotFound`."""
        found = self._deliveries.find_one({"_id": delivery_id(endpoint, str(announcement))})
        if found is None:
            raise NotFound("delivery.unknown", "there is no such delivery")
        return found

    def redeliver(self, endpoint: ObjectId, announcement: ObjectId) -> Document:
        """Makes a delivery due at once, whatever became of it; its give-up age begins anew. Returns the delivery.

        Raises:
            NotFound: there is no such delivery.
            Conflict: a worker is delivering it.
        """
        now = self._clock.now()
        which = {"_id": delivery_id(endpoint, str(announcement)), "leaseUntil": {"$not": {"$gt": now}}}
        due = {"state": DeliveryState.PENDING, "dueAt": now, "dueSince": now, "leaseUntil": None}
        change = [{"$set": {**due, "attemptsBefore": "$attemptCount"}}]
        found = self._deliveries.find_one_and_update(which, change, return_document=ReturnDocument.AFTER)
        if found is None:
            self.get(endpoint, announcement)
            raise Conflict("delivery.in_progress", "this delivery is being made just now", retry_after=1)
        return found

    def forget(self, sources: Sequence[ObjectId]) -> None:
        """Deletes the deliveries that tell of these notifications or imports."""
        self._deliveries.delete_many({"sourceId": {"$in": list(sources)}})
