"""The network to MongoDB breaks during a delivery: real connections are cut."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.faults.proxy import Proxy
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, call
from tests.support.waiting import eventually

HELLO = {"emailTo": "a@example.com", "subject": "Hello", "message": "<p>x</p>"}


class Network:
    """The network between one sender and MongoDB."""

    def __init__(self, proxy: Proxy, works: threading.Event) -> None:
        self._proxy = proxy
        self._works = works

    def breaks(self) -> None:
        """Cuts every connection, and lets no new one carry a byte."""
        self._works.clear()
        self._proxy.cut()

    def heals(self) -> None:
        self._works.set()


@pytest.fixture
def works() -> threading.Event:
    works = threading.Event()
    works.set()
    return works


@pytest.fixture
def proxy(mail: Mail, works: threading.Event) -> Iterator[Proxy]:
    uri = urlsplit(mail.services.secrets.read("mailroom-mongodb-uri"))
    assert uri.hostname
    assert uri.port
    with Proxy(uri.hostname, uri.port, lambda: None if works.is_set() else 0) as proxy:
        yield proxy


@pytest.fixture
def distant(mail: Mail, make_mail: Callable[..., Mail], proxy: Proxy, tmp_path: Path) -> Mail:
    """The application of `mail`, with its own connections to MongoDB, which can be cut."""
    folder = tmp_path / "distant"
    shutil.copytree(mail.services.settings.secrets_dir, folder)
    (folder / "mailroom-mongodb-uri").write_text(f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true")
    return make_mail(secrets_dir=folder, mongodb_timeout_seconds=1.0)


@pytest.fixture
def network(proxy: Proxy, works: threading.Event) -> Network:
    return Network(proxy, works)


def drain(mail: Mail) -> threading.Thread:
    """Starts a call of the sender."""
    thread = threading.Thread(target=mail.sender)
    thread.start()
    return thread


def test_a_message_cut_before_the_dot_is_sent_once_by_the_next_sender(
    mail: Mail, distant: Mail, network: Network, relay: Relay
) -> None:
    mail.client.post(HELLO, Prefer="respond-async")
    relay.on("rcpt", call(network.breaks))

    drain(distant).join(30)

    assert relay.received == []
    assert mail.states() == ["queued"]
    network.heals()
    mail.let_time_pass()
    mail.drain()
    assert mail.states() == ["sent"]
    assert len(relay.taken) == 1


def test_a_message_cut_after_the_dot_is_recorded_when_the_network_is_back(
    mail: Mail, distant: Mail, network: Network, relay: Relay
) -> None:
    mail.client.post(HELLO, Prefer="respond-async")
    relay.on("content", call(network.breaks))

    sending = drain(distant)
    eventually(lambda: len(relay.taken) == 1)
    assert mail.states() == ["sending"]
    network.heals()
    eventually(lambda: mail.states() == ["sent"])
    sending.join(30)

    mail.let_time_pass()
    assert mail.drain() == 0
    assert len(relay.received) == 1


def test_a_caller_is_told_that_it_is_stored_though_the_network_broke(
    mail: Mail, distant: Mail, network: Network, relay: Relay
) -> None:
    relay.on("mail", call(network.breaks))

    answer: Any = distant.client.post(HELLO)

    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert relay.received == []
    network.heals()
    mail.let_time_pass()
    mail.drain()
    assert mail.states() == ["sent"]
    assert len(relay.taken) == 1
