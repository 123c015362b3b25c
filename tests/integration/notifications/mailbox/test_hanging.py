"""A mailbox that hangs ends its poll in time, and holds up no mail."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.integration.notifications.mailbox.returns import Returns, dsn
from tests.integration.notifications.relay import Relay
from tests.support.ports import free_port
from tests.support.waiting import eventually


class HangingServer:
    """A server that takes connections and says `greeting`, again and again."""

    def __init__(self, greeting: bytes, pause: float) -> None:
        self.port = free_port()
        self._socket = socket.create_server(("127.0.0.1", self.port))
        self._greeting, self._pause = greeting, pause
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                try:
                    while self._greeting:
                        connection.sendall(self._greeting)
                        time.sleep(self._pause)
                    connection.recv(1)
                except OSError:
                    continue

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listen() -> Iterator[Callable[..., HangingServer]]:
    listeners: list[HangingServer] = []

    def make(greeting: bytes = b"", pause: float = 0.0) -> HangingServer:
        listeners.append(HangingServer(greeting, pause))
        return listeners[-1]

    yield make
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("greeting", "pause"),
    [(b"", 0.0), (b"*", 0.01), (b"* a line that is no greeting\r\n", 0.0), (b"* OK ready {999999999}\r\n", 0.0)],
    ids=["silent", "a slow line", "nonsense", "an endless literal"],
)
def test_a_server_that_hangs_ends_the_poll_in_time(
    make_returns: Callable[..., Returns],
    listen: Callable[..., HangingServer],
    caplog: pytest.LogCaptureFixture,
    greeting: bytes,
    pause: float,
) -> None:
    server: Any = listen(greeting, pause)
    returns = make_returns(server, answer_seconds=1.0)
    started = time.monotonic()
    assert returns.poll(seconds=1.0) == 0
    assert time.monotonic() - started < 30
    assert "the mailbox of the reports" in caplog.text


def test_a_mailbox_that_hangs_holds_up_no_mail(
    make_returns: Callable[..., Returns], listen: Callable[..., HangingServer], relay: Relay
) -> None:
    server: Any = listen()
    returns = make_returns(server, bounce_imap_seconds=0.0)
    returns.mail.client.post(
        {"emailTo": "anna@remote.example", "subject": "Hello", "message": "Hi"}, prefer="respond-async"
    )
    started = time.monotonic()
    assert returns.mail.drain() == 1
    # The server's silence ends after 10 seconds.
    assert time.monotonic() - started < 8
    eventually(lambda: server.connections == 1)
    assert len(relay.taken) == 1


def test_the_sender_reads_the_mailbox_beside_its_work(returns: Returns) -> None:
    sent = returns.send()
    returns.dovecot.put(dsn(sent))
    returns.mail.drain()
    eventually(lambda: returns.deliveries(sent) == {"anna@remote.example": "bounced"})


def test_the_connection_to_a_server_that_hangs_is_closed(make_returns: Callable[..., Returns]) -> None:
    left = threading.Event()

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"* OK ready\r\n")
            tag = connection.recv(1000).split()[0]
            connection.sendall(b"* CAPABILITY IMAP4rev1 MOVE\r\n" + tag + b" OK done\r\n")
            assert b"LOGIN" in connection.recv(1000)
            while connection.recv(1000):  # the login gets no answer
                pass
        left.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        server: Any = SimpleNamespace(port=listening.getsockname()[1])
        assert make_returns(server, answer_seconds=1.0).poll(seconds=600.0) == 0
        assert left.wait(20)
