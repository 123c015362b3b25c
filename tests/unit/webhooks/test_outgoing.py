"""Calls to the addresses of others: only to the internet, and never longer than they may take."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from mailroom.platform.outgoing import Outgoing, is_public
from mailroom.webhooks.courier import attempt
from mailroom.webhooks.model import Attempted

PRIVATE = [
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("192.0.0.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::1"),
    *("::127.0.0.1", "::10.0.0.1", "2001:db8::1"),
    # Site-local, translated (RFC 2765), relays of 6to4, segment routing, documentation, and what nobody may use yet.
    *("fec0::1", "::ffff:0:127.0.0.1", "192.88.99.1", "5f00::1", "3fff::1", "4000::1", "e000::1"),
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
SECONDS = 1.0
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"

Server = Callable[[Callable[[socket.socket], None]], str]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.fixture
def serve() -> Iterator[Server]:
    """Starts a server that gives each connection to the function, in a thread. Returns `127.0.0.1:PORT`."""
    with ExitStack() as cleanup:

        def start(answer: Callable[[socket.socket], None]) -> str:
            listener = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))

            def accept() -> None:
                with suppress(OSError):
                    while True:
                        connection, _ = listener.accept()
                        threading.Thread(target=handle, args=(connection,), daemon=True).start()

            def handle(connection: socket.socket) -> None:
                with connection, suppress(OSError):
                    answer(connection)

            threading.Thread(target=accept, daemon=True).start()
            return f"127.0.0.1:{listener.getsockname()[1]}"

        yield start


def answering(content: bytes, seen: list[bytes] | None = None) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        request = connection.recv(65536)
        while b"the body" not in request and (more := connection.recv(65536)):
            request += more
        if seen is not None:
            seen.append(request)
        connection.sendall(content)

    return answer


def post(url: str, *, allow_private: bool = True) -> Attempted:
    return attempt(Outgoing(SECONDS, allow_private=allow_private), url, {"webhook-id": "msg_1"}, b"the body")


def test_what_is_sent_arrives_with_its_headers(serve: Server) -> None:
    seen: list[bytes] = []
    found = post(f"http://{serve(answering(NO_CONTENT, seen))}/hooks?x=%C3%BC")
    assert (found.status, found.error, found.taken) == (204, "", True)
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hooks?x=%C3%BC HTTP/1.1\r\n")
    assert b"webhook-id: msg_1" in head
    assert body == b"the body"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
def test_an_address_inside_is_never_called(serve: Server, host: str) -> None:
    seen: list[bytes] = []
    port = serve(answering(b"HTTP/1.1 200 OK\r\n\r\n", seen)).rpartition(":")[2]
    found = post(f"http://{host}:{port}/", allow_private=False)
    assert (found.status, found.taken, seen) == (None, False, [])
    assert "not an address of the internet" in found.error


def test_a_name_with_one_address_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in ("1.1.1.1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    assert "10.0.0.1 is not an address of the internet" in post("http://two.example/", allow_private=False).error


def test_the_address_that_was_checked_is_the_one_that_is_called(serve: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name has another address at each look-up. There is only one."""
    host, _, port = serve(answering(b"HTTP/1.1 200 OK\r\n\r\n")).partition(":")
    looked_up: list[Any] = []

    def look_up(*place: Any, **_: Any) -> Any:
        looked_up.append(place)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, int(port)))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert post(f"http://rebinding.example:{port}/").status == 200
    assert len(looked_up) == 1


def test_a_redirect_is_not_followed(serve: Server) -> None:
    seen: list[bytes] = []
    inside = serve(answering(b"HTTP/1.1 200 OK\r\n\r\n", seen))
    redirect = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{inside}/\r\n\r\n".encode()
    found = post(f"http://{serve(answering(redirect))}/")
    assert (found.status, found.taken, seen) == (307, False, [])


def test_a_proxy_of_the_environment_is_not_used(serve: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(f"http://{serve(answering(NO_CONTENT))}/").status == 204


def hang(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def drip(connection: socket.socket) -> None:
    """A header that never ends, a byte at a time: no single wait is long."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize("behave", [hang, drip])
def test_a_slow_answer_is_cut_off(serve: Server, behave: Callable[[socket.socket], None]) -> None:
    began = time.monotonic()
    found = post(f"http://{serve(behave)}/")
    assert (found.status, found.error) == (None, f"no answer within {SECONDS:g} s")
    assert time.monotonic() - began < 20 * SECONDS


def test_a_slow_handshake_is_cut_off(serve: Server) -> None:
    found = post(f"https://{serve(hang)}/")
    assert (found.status, found.taken) == (None, False)


def test_an_endless_answer_is_not_read(serve: Server) -> None:
    sent: list[int] = []

    def flood(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        while True:
            connection.sendall(bytes(1 << 16))
            sent.append(1 << 16)

    assert post(f"http://{serve(flood)}/").status == 200
    assert sum(sent) < 64 << 20


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff" * 100, b"HTTP/1.1 abc\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500],
)
def test_an_answer_that_is_no_http_is_an_error(serve: Server, content: bytes) -> None:
    found = post(f"http://{serve(answering(content))}/")
    assert (found.status, found.taken) == (None, False)
    assert found.error


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("ftp://example.com/", "no http or https URL"),
        ("file:///etc/passwd", "no http or https URL"),
        ("http:///x", "no http or https URL"),
        ("http://does-not-exist.invalid/", "the name is not known"),
        ("http://" + "a" * 70 + ".example/", "no"),
    ],
)
def test_a_url_that_cannot_be_called_is_an_error(url: str, error: str) -> None:
    found = post(url)
    assert found.status is None
    assert error in found.error


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for `localhost`, with its key. Nobody vouches for it."""
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    return tmp_path / "certificate"


def secured(certificate: Path, seen: list[bytes]) -> Callable[[socket.socket], None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key"))

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            answering(NO_CONTENT, seen)(wrapped)

    return answer


def test_a_certificate_that_nobody_vouches_for_is_refused(serve: Server, certificate: Path) -> None:
    seen: list[bytes] = []
    port = serve(secured(certificate, seen)).rpartition(":")[2]
    found = post(f"https://localhost:{port}/")
    assert (found.status, seen) == (None, [])
    assert "TLS failed" in found.error


def test_a_certificate_must_be_valid_for_the_name(
    serve: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    seen: list[bytes] = []
    port = serve(secured(certificate, seen)).rpartition(":")[2]
    refused = post(f"https://127.0.0.1:{port}/")
    assert (refused.status, seen) == (None, [])
    assert "TLS failed" in refused.error

    assert post(f"https://localhost:{port}/hooks").status == 204
    assert seen[0].startswith(b"POST /hooks HTTP/1.1\r\n")
    assert f"Host: localhost:{port}\r\n".encode() in seen[0]


def test_a_look_up_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()

    def look_up(*_: Any, **__: Any) -> list[Any]:
        answers.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        found = post("http://hangs.example/")
        assert not answers.is_set()
        assert (found.status, found.error) == (None, f"no answer within {SECONDS:g} s")
        assert found.milliseconds < 30_000
    finally:
        answers.set()
