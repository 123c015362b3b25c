"""Announcements: what a changed document says until its webhooks are made.

A change that a webhook tells of adds an announcement to the changed document in the same update. So no crash comes
between the change and its announcement. `webhook-sender` finds the documents through a sparse index, makes the
deliveries, and then removes the announcement.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import PyMongoError

from mailroom.platform.mongo import Document, is_transient
from mailroom.platform.server_clock import ServerClock

log = logging.getLogger(__name__)

ANNOUNCEMENTS = "announcements"
"""The field: `[{id, type, at, data}]`, the oldest first."""

# Sparse: an empty list, or none, is not in it. `{"announcements.at": {"$exists": True}}` with this hint finds the rest.
ANNOUNCEMENTS_INDEX = IndexModel([(f"{ANNOUNCEMENTS}.at", ASCENDING)], name=ANNOUNCEMENTS, sparse=True)

CACHE_SECONDS = 5.0
"""A new endpoint is told of what happens after this time."""


class Announcer:
    """Makes announcements while an endpoint wants them. Threads may share it."""

    def __init__(
        self, database: Database[Document], clock: ServerClock, kick: Callable[[], None] = lambda: None
    ) -> None:
        """`kick` tells the worker that delivers that there is work."""
        self._endpoints = database["webhooks"]
        self._clock = clock
        self._kick = kick
        self._wanted: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    def make(self, type_: str, data: Document) -> Document | None:
        """The announcement of an event that happens now, or None if no endpoint wants it.

        `data` is what the event says beside the fields of the document that never change: see `payloads.py`.
        """
        if not self.wants(type_):
            return None
        return {"id": str(ObjectId()), "type": str(type_), "at": self._clock.now(), "data": data}

    def wants(self, type_: str) -> bool:
        """Whether an endpoint wants this type. Blocks for an answer of MongoDB once in `CACHE_SECONDS`.

        Raises the driver's error if it is transient.
        """
        if time.monotonic() - self._read_at > CACHE_SECONDS:
            self._wanted = self._read()
            self._read_at = time.monotonic()
        return type_ in self._wanted

    def announced(self) -> None:
        """Call it when documents with announcements are written."""
        self._kick()

    def _read(self) -> frozenset[str]:
        try:
            enabled = self._endpoints.find({"enabled": True}, {"events": 1})
            return frozenset(type_ for each in enabled for type_ in each["events"])
        except PyMongoError as error:
            if is_transient(error):
                raise
            # Set-up was not run after an upgrade, so the right to read is missing. The change itself must not fail.
            log.warning("webhooks are not announced: MongoDB refuses to show the endpoints (%s)", error)
            return frozenset()
