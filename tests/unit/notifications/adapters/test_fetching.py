"""A fetch from a server of a provider: whom it believes, and its bounds in bytes and time."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mailroom.errors import Unavailable
from mailroom.notifications.feedback.adapters.fetching import fetch
from tests.support import provider_calls as calls


class Server:
    """A server of HTTPS. `write` gets the connection of each GET."""

    def __init__(self, folder: Path) -> None:
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(calls.certificate(names=("localhost",)))
        key = folder / "key.pem"
        key.write_bytes(calls.private_key(calls.rsa_key()))
        self.write: Any = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(OSError):  # the client has gone
                    server.write(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def fetch(self, host: str = "localhost", seconds: float = 5.0) -> bytes:
        return fetch(f"https://{host}:{self._server.server_port}/x.pem", str(self.ca), seconds, allow_private=True)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.close()


def answering(status: int, body: bytes, **headers: str) -> Any:
    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return write


def test_a_fetch_gets_the_body(server: Server):
    server.write = answering(200, b"certificate")
    assert server.fetch() == b"certificate"


def test_a_fetch_checks_who_answers(server: Server):
    server.write = answering(200, b"x")
    with pytest.raises(Unavailable):
        server.fetch("127.0.0.1")  # the certificate is for localhost
    with pytest.raises(Unavailable):
        fetch(f"https://localhost:{server._server.server_port}/x.pem", allow_private=True)  # signed by a stranger


def test_a_fetch_follows_no_redirect(server: Server):
    server.write = answering(302, b"", Location="https://localhost/other")
    with pytest.raises(Unavailable, match="302"):
        server.fetch()


def test_a_fetch_is_bounded_in_bytes_and_time(server: Server):
    def endless(handler: BaseHTTPRequestHandler) -> None:
        answering(200, b"")(handler)
        while True:
            handler.wfile.write(b"x" * 4096)

    def slow(handler: BaseHTTPRequestHandler) -> None:
        answering(200, b"")(handler)
        for _ in range(200):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    def silent(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(1)

    def dripping(handler: BaseHTTPRequestHandler) -> None:
        """A header that never ends: no single wait is long."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(200):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    for write in (endless, slow, silent, dripping):
        server.write = write
        started = time.monotonic()
        with pytest.raises(Unavailable):
            server.fetch(seconds=0.5)
        assert time.monotonic() - started < 5


def test_a_server_that_is_away_is_unavailable():
    with pytest.raises(Unavailable):
        fetch("https://localhost:1/x.pem", allow_private=True)
