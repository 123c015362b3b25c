"""Makes deliveries of announcements: one for each endpoint that wants the event.

A delivery is inserted before its announcement is removed, and its id is made of both. So a crash between the two, or a
second worker, makes no delivery twice and loses none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from mailroom.platform.mongo import DUPLICATE_KEY, Document, errors_without_documents
from mailroom.platform.server_clock import ServerClock
from mailroom.webhooks.announcements import ANNOUNCEMENTS
from mailroom.webhooks.model import DeliveryState, delivery_id
from mailroom.webhooks.payloads import SOURCES, payload, read_fields

_AT_ONCE = 100  # documents whose announcements one step expands


class Expansion:
    """Reads the collections that announce, and writes `webhookDeliveries`. Blocks for MongoDB; errors are its."""

    def __init__(self, database: Database[Document], clock: ServerClock) -> None:
        self._database = database
        self._clock = clock

    def run(self) -> int:
        """Expands some announcements. Returns how many documents had them: 0 if none is left."""
        return sum(self._step(source) for source in SOURCES)

    def _step(self, source: str) -> int:
        collection = self._database[source]
        which = {f"{ANNOUNCEMENTS}.at": {"$exists": True}}
        found = list(collection.find(which, read_fields(source)).hint(ANNOUNCEMENTS).limit(_AT_ONCE))
        if not found:
            return 0
        endpoints = list(self._database["webhooks"].find({"enabled": True}, {"events": 1}))
        self._insert(_deliveries(source, found, endpoints, self._clock.now()))
        expanded = [each["id"] for document in found for each in document[ANNOUNCEMENTS]]
        # One that was added since is not among them, and stays.
        collection.update_many(
            {"_id": {"$in": [each["_id"] for each in found]}}, {"$pull": {ANNOUNCEMENTS: {"id": {"$in": expanded}}}}
        )
        return len(found)

    def _insert(self, deliveries: list[Document]) -> None:
        try:
            if deliveries:
                with errors_without_documents():
                    self._database["webhookDeliveries"].insert_many(deliveries, ordered=False)
        except BulkWriteError as error:
            if any(each["code"] != DUPLICATE_KEY for each in error.details["writeErrors"]):
                raise
            if error.details.get("writeConcernErrors"):
                raise


def _deliveries(
    source: str, documents: Sequence[Document], endpoints: Sequence[Document], now: datetime
) -> list[Document]:
    return [
        new_delivery(endpoint["_id"], document["_id"], announcement, payload(source, document, announcement), now)
        for document in documents
        for announcement in document[ANNOUNCEMENTS]
        for endpoint in endpoints
        if announcement["type"] in endpoint["events"]
    ]


def new_delivery(endpoint: ObjectId, source: ObjectId, announcement: Document, text: str, now: datetime) -> Document:
    """A delivery that is due at once."""
    return {
        "_id": delivery_id(endpoint, announcement["id"]),
        "endpointId": endpoint,
        "announcementId": announcement["id"],
        "sourceId": source,
        "type": announcement["type"],
        "payload": text,
        "state": DeliveryState.PENDING,
        "dueAt": now,
        "dueSince": now,
        "leaseUntil": None,
        "attempts": [],
        "attemptCount": 0,
        "attemptsBefore": 0,
        "createdAt": now,
        "deliveredAt": None,
    }
