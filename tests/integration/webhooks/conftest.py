"""A program that webhooks call, and the function that calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from mailroom.deploy import setup
from mailroom.platform.mongo import Document, Documents
from mailroom.services import Services
from mailroom.webhooks.announcements import ANNOUNCEMENTS
from mailroom.webhooks.model import EventType
from mailroom.webhooks.worker import create_worker
from tests.support.webhook_receiver import SECRET, Receiver, receiving

MakeReceiver = Callable[[], Receiver]


@pytest.fixture
def make_receiver() -> Iterator[MakeReceiver]:
    with ExitStack() as cleanup:
        yield lambda: cleanup.enter_context(receiving())


class Hooks:
    """The webhooks of one test."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.endpoints: Documents = services.database["webhooks"]
        self.deliveries: Documents = services.database["webhookDeliveries"]
        self.sources: Documents = services.database["notifications"]

    def endpoint(self, url: str, *events: EventType, **fields: Any) -> ObjectId:
        now = datetime.now(UTC)
        document: Document = {
            "url": url,
            "description": "",
            "events": list(events or EventType),
            "secrets": [{"key": SECRET, "createdAt": now, "expiresAt": None}],
            "enabled": True,
            "disabledReason": "",
            "createdAt": now,
            "updatedAt": now,
        }
        inserted: ObjectId = self.endpoints.insert_one(document | fields).inserted_id
        return inserted

    def announce(self, count: int = 1, type_: EventType = EventType.NOTIFICATION_SENT) -> list[str]:
        """As if `count` messages had just been sent. Returns the ids of the announcements."""
        now = datetime.now(UTC)
        made = [{"id": str(ObjectId()), "type": type_, "at": now, "data": {"status": "sent"}} for _ in range(count)]
        self.sources.insert_many(
            [{"emailTo": f"{n}@example.com", "tags": [], ANNOUNCEMENTS: [each]} for n, each in enumerate(made)]
        )
        return [each["id"] for each in made]

    def work(self) -> int:
        """One call of the function. Returns how many attempts it made."""
        answer = create_worker(self.services)()
        assert answer["statusCode"] == 200
        done: int = answer["body"]["done"]
        return done

    def let_time_pass(self, hours: float = 1.0) -> None:
        """Ends every wait and every lease, and makes everything that much older."""
        change = {"$subtract": ["$dueAt", hours * 3_600_000]}, {"$subtract": ["$dueSince", hours * 3_600_000]}
        created = {"$subtract": ["$createdAt", hours * 3_600_000]}
        times = {"dueAt": change[0], "dueSince": change[1], "createdAt": created}
        self.deliveries.update_many({"dueAt": {"$exists": True}}, [{"$set": times}])
        self.deliveries.update_many({"dueAt": {"$exists": False}}, [{"$set": {"createdAt": created}}])

    def states(self) -> list[str]:
        return sorted(each["state"] for each in self.deliveries.find())

    def left(self) -> int:
        """How many announcements are not expanded yet."""
        return self.sources.count_documents({f"{ANNOUNCEMENTS}.at": {"$exists": True}})


@pytest.fixture
def make_hooks(make_services: Callable[..., Services]) -> Callable[..., Hooks]:
    def make(**settings: Any) -> Hooks:
        services = make_services(**{"webhook_allow_private": "yes", "webhook_timeout_seconds": 30.0} | settings)
        setup.run(services, lambda line: None)
        return Hooks(services)

    return make


@pytest.fixture
def hooks(make_hooks: Callable[..., Hooks]) -> Hooks:
    return make_hooks()


def later(**span: float) -> datetime:
    return datetime.now(UTC) + timedelta(**span)
