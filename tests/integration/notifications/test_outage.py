"""MongoDB stops, or the process ends, in the middle of a delivery."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from mailroom.notifications import app as serving
from mailroom.notifications import worker as working
from mailroom.notifications.outbox.outbox import Outbox
from tests.integration.notifications.conftest import SETTINGS, Client, Mail
from tests.integration.notifications.relay import Relay, slow
from tests.support.waiting import eventually

HELLO = {"emailTo": "a@example.com", "subject": "Hello", "message": "<p>x</p>"}


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Makes a step of the outbox fail as without MongoDB. Request this fixture before `mail`."""
    left: dict[str, int] = {}

    def wrap(name: str) -> None:
        usual: Callable[..., Any] = getattr(Outbox, name)

        def method(*arguments: Any) -> Any:
            if left.get(name, 0):
                left[name] -= 1
                raise AutoReconnect("connection closed")
            return usual(*arguments)

        monkeypatch.setattr(Outbox, name, method)

    for name in ("claim_new", "hand_over", "record"):
        wrap(name)
    return left.__setitem__


def test_a_stored_message_is_accepted_whatever_happens_later(
    failing: Callable[[str, int], None], mail: Mail, relay: Relay
) -> None:
    failing("claim_new", 1)

    answer = mail.client.post(HELLO)

    assert (answer.status, answer.body["status"]) == (202, "queued")
    mail.drain()
    assert len(relay.taken) == 1


def test_no_message_is_handed_over_while_its_result_cannot_be_stored(
    failing: Callable[[str, int], None], mail: Mail, relay: Relay
) -> None:
    failing("hand_over", 1)

    assert mail.client.post(HELLO).body["status"] == "queued"
    assert relay.received == []
    mail.let_time_pass()
    mail.drain()
    assert len(relay.taken) == 1
    assert mail.states() == ["sent"]


def test_a_sent_message_is_recorded_when_mongodb_is_back(
    failing: Callable[[str, int], None], mail: Mail, relay: Relay
) -> None:
    failing("record", 2)

    assert mail.client.post(HELLO).body["status"] == "sent"
    mail.let_time_pass()
    mail.drain()
    assert len(relay.taken) == 1


def test_a_message_that_mongodb_cannot_store_is_refused(make_services: Any, mail: Mail, relay: Relay) -> None:
    (mail.services.settings.secrets_dir / "mailroom-mongodb-uri").write_text("mongodb://127.0.0.1:1/")
    services = make_services(**SETTINGS, smtp_port=relay.port, mongodb_timeout_seconds=0.5)
    key = mail.client.key

    answer = Client(serving.create_app(services), key).post(HELLO)

    assert (answer.status, answer.body["result"]) == (503, "FAILED")
    assert int(answer.headers["Retry-After"]) > 0
    assert working.create_worker(services)()["statusCode"] == 503
    assert relay.connections == 0


def test_the_end_of_the_process_waits_for_messages_in_delivery(make_mail: Any, relay: Relay) -> None:
    other: Mail = make_mail()
    mail: Mail = make_mail(send_wait_seconds=0.05)
    go = threading.Event()
    relay.on("content", slow(go))
    mail.client.post(HELLO)
    eventually(lambda: len(relay.received) == 1)
    ending = threading.Thread(target=mail.services.close)

    ending.start()
    go.set()
    ending.join()

    assert other.states() == ["sent"]
