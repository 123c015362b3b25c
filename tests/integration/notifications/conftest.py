"""For the tests of notifications: a scripted relay, the two functions, a caller with a key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask

from mailroom.notifications import indexes as notifications
from mailroom.notifications.api.context import NotificationsContext
from mailroom.notifications.app import create_app
from mailroom.notifications.feedback.feedback import Feedback
from mailroom.notifications.outbox.actions import MessageActions
from mailroom.notifications.outbox.claims import Claims
from mailroom.notifications.outbox.outbox import Outbox
from mailroom.notifications.outbox.suppressions import Suppressions
from mailroom.notifications.worker import create_worker
from mailroom.platform.mongo import Documents
from mailroom.platform.server_clock import ServerClock
from mailroom.platform.worker import Worker
from mailroom.services import Services
from mailroom.web.endpoints import Route, routes
from mailroom.webhooks import indexes as webhooks
from tests.integration.notifications.children import StartChild, children
from tests.integration.notifications.relay import Relay
from tests.support.waiting import eventually

# No test waits for these limits. A test of a limit sets it.
SETTINGS = {
    "mail_from": "Mailroom <mailroom@ours.example.com>",
    "smtp_host": "127.0.0.1",
    "smtp_tls": "off",
    "smtp_timeout_seconds": 20.0,
    "smtp_data_timeout_seconds": 20.0,
    "send_wait_seconds": 20.0,
}


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Client:
    """A program with an API key. `app` is the function's application."""

    app: Flask
    key: str
    headers: dict[str, str] = field(default_factory=dict)

    def post(self, body: Any, path: str = "/", **headers: str) -> Answer:
        return self.call("POST", path, body=json.dumps(body).encode(), headers=headers)

    def get(self, path: str = "/", **query: str) -> Answer:
        return self.call("GET", path, query=query)

    def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = {"Authorization": f"Bearer {self.key}"} | {
            name.replace("_", "-"): value for name, value in (headers or {}).items()
        }
        answer = self.app.test_client().open(
            path, method=method, data=body, query_string=query or None, headers=sent, buffered=True
        )
        text = answer.get_data()
        decoded = (json.loads(text) if answer.is_json else text.decode()) if text else None
        return Answer(answer.status_code, decoded, dict(answer.headers))

    @property
    def routes(self) -> list[Route]:
        return list(routes(self.app))


class Mail:
    """The notifications application of one test. `client` accepts, `sender` drains the outbox."""

    def __init__(self, services: Services) -> None:
        self.services = services
        key = services.keys.create(
            "test",
            [
                *("notifications:send", "notifications:read", "notifications:erase"),
                *("templates:read", "templates:write", "webhooks:read", "webhooks:write"),
            ],
        )
        self.client = Client(create_app(services), key.text)
        self.sender: Worker = create_worker(services)

    @property
    def feedback(self) -> Feedback:
        """What the API applies reports with."""
        context: NotificationsContext = self.client.app.extensions["mailroom.notifications"]
        return context.feedback

    def suppressed(self) -> list[str]:
        """The addresses on the suppression list."""
        return sorted(each["address"] for each in self.client.get("/suppressions").body["items"])

    @property
    def collection(self) -> Documents:
        return self.services.database["notifications"]

    def outbox(self, lease_seconds: float = 90.0) -> Outbox:
        """The outbox of another sender."""
        clock = ServerClock(self.services.database)
        suppressions = Suppressions(self.services.database["suppressions"], clock)
        return Outbox(self.collection, clock, self.claims(lease_seconds), suppressions, self.services.announcer)

    def actions(self) -> MessageActions:
        return MessageActions(self.collection, ServerClock(self.services.database), self.claims())

    def claims(self, lease_seconds: float = 90.0) -> Claims:
        return Claims(self.services.database, timedelta(seconds=lease_seconds))

    def drain(self) -> int:
        answer = self.sender()
        assert answer["statusCode"] == 200
        done: int = answer["body"]["done"]
        return done

    def let_time_pass(self) -> None:
        """Ends every wait and every lease."""
        for collection, name in ((self.collection, "dueAt"), (self.services.database["leases"], "until")):
            collection.update_many({name: {"$exists": True}}, [{"$set": {name: {"$subtract": ["$$NOW", 3_600_000]}}}])

    def hint_for(self, which: dict[str, Any]) -> dict[str, str]:
        """The index to name when a query is explained. MongoDB finds one itself; SecantusDB finds no partial index."""
        stand_in = self.services.database.client.admin.command("hello")["setName"] == "secantus"
        return {"hint": "waiting"} if stand_in and "dueAt" in which else {}

    def fates(self, message: str) -> dict[str, str]:
        """The status of each recipient."""
        one = self.client.get(f"/{message}").body
        return {each["address"]: each["status"] for each in one["recipients"]}

    def wait_of(self, message: str) -> float:
        """Seconds from the last attempt to the next."""
        document = self.collection.find_one({"_id": ObjectId(message)})
        assert document is not None
        wait: timedelta = document["dueAt"] - document["updatedAt"]
        return wait.total_seconds()

    def wait_for_state(self, message: str, state: str) -> None:
        eventually(lambda: self.client.get(f"/{message}").body["status"] == state)

    def states(self) -> list[str]:
        """The states, as callers see them."""
        return sorted(each["status"] for each in self.client.get(limit="1000").body["items"])


@pytest.fixture
def relay() -> Iterator[Relay]:
    relay = Relay()
    relay.start()
    yield relay
    relay.stop()


@pytest.fixture
def make_mail(make_services: Callable[..., Services], relay: Relay) -> Callable[..., Mail]:
    """Makes the application with the given settings, on this test's database and relay."""
    made: list[Mail] = []

    def make(**settings: object) -> Mail:
        services = make_services(**{**SETTINGS, "smtp_port": relay.port, **settings})
        for name, wanted in (notifications.INDEXES | webhooks.INDEXES).items():
            services.database[name].create_indexes(wanted)
        made.append(Mail(services))
        return made[-1]

    return make


@pytest.fixture
def mail(make_mail: Callable[..., Mail]) -> Mail:
    return make_mail()


@pytest.fixture
def start_child() -> Iterator[StartChild]:
    """Starts a function in its own process with the settings of `mail`. Returns when it is ready."""
    with children() as start:
        yield start
