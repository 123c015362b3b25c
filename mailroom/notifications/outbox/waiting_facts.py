"""Reads what decides why a message waits. Few queries, each of a bounded size."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace
from pymongo.database import Database

from mailroom.notifications.indexes import INDEXES
from mailroom.notifications.model.messages import Priority
from mailroom.notifications.outbox import waiting
from mailroom.notifications.outbox.claims import Claims
from mailroom.notifications.outbox.waiting import MOST_COUNTED, due_message
from mailroom.platform.kick import SENDER
from mailroom.platform.mongo import Document
from mailroom.platform.server_clock import ServerClock
from mailroom.platform.waiting import Waiting, WorkerState, worker_state


class MessageWaiting:
    """Answers why a message waits. Blocks for MongoDB; errors are the driver's."""

    def __init__(self, database: Database[Document], clock: ServerClock, claims: Claims) -> None:
        self._messages = database["notifications"]
        self._workers = database["workers"]
        self._clock = clock
        self._claims = claims

    def of(self, document: Document) -> Waiting | None:
        """Why this message waits, as MongoDB keeps it. One that has ended costs no query, another one five at most."""
        message = due_message(document)
        if message.due_at is None:
            return waiting.of_message(message, WorkerState(SENDER), message.updated_at)
        now = self._clock.now()
        message = replace(message, lease=self._claims.lease_of(document["_id"]))
        if message.is_due(now) and message.lease is None:
            message = replace(message, ahead=self._ahead_of(document, now))
        return waiting.of_message(message, worker_state(self._workers, SENDER, INDEXES), now)

    def _ahead_of(self, document: Document, now: datetime) -> int:
        """How many messages go before this one: of a higher priority, or of the same and due earlier."""
        priority, due_at = document["priority"], document["dueAt"]
        higher = [each for each in Priority if each < priority]
        first = {"priority": {"$in": higher}, "dueAt": {"$lte": now}}
        count = self._messages.count_documents(first, limit=MOST_COUNTED) if higher else 0
        same = {"priority": priority, "dueAt": {"$lt": due_at}}
        return min(MOST_COUNTED, count + self._messages.count_documents(same, limit=MOST_COUNTED))
