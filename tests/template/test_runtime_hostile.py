"""What strangers do on the wire: callers without end, and requests that two servers would read differently."""

import time
from contextlib import ExitStack

import pytest

from tests.hostile import AMBIGUOUS, SECONDS, everything, sent

HANDLER = """
import json

closed = []

def handle(event, context):
    if event.path == "/closed":
        return closed
    if event.path == "/stream":
        return stream()
    return [event.method, event.path, event.body.decode(), event.headers.get("X-Role")]

def stream():
    try:
        while True:
            yield b"x" * 100_000
    finally:
        closed.append(1)
"""
THREADS = 4


@pytest.fixture(scope="module")
def function(shared_functions):
    limits = {"read_timeout": "1s", "write_timeout": "1s", "THREADS": str(THREADS)}
    return shared_functions.start(HANDLER, name="hostile", **limits)


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n",
    ],
    ids=["line", "header", "body", "chunk"],
)
def test_requests_without_end_are_cut_off_and_disturb_nobody(function, begun):
    with ExitStack() as stack:
        clients = [stack.enter_context(sent(function.port, begun)) for _ in range(50)]
        ends = time.monotonic() + SECONDS
        open_ = set(clients)
        while open_:
            assert time.monotonic() < ends, "still open"
            for client in list(open_):
                try:
                    client.sendall(b"a")  # a byte now and then
                except OSError:
                    open_.discard(client)
            assert function.call("/").status == 200
            time.sleep(0.1)


def test_readers_that_do_not_read_are_cut_off_and_their_threads_come_back(function):
    before = len(function.call("/closed").json())
    readers = [sent(function.port, b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", 4096) for _ in range(THREADS)]
    # Every thread waits for one of them now; this call waits until one is cut off.
    assert function.call("/").status == 200
    ends = time.monotonic() + SECONDS
    while len(function.call("/closed").json()) < before + THREADS:
        assert time.monotonic() < ends, "a stream still waits for its reader"
        time.sleep(0.05)
    for reader in readers:
        reader.close()


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("headers", AMBIGUOUS)
def test_a_request_that_two_servers_would_read_differently_is_refused(function, headers):
    request = b"POST / HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n0\r\n\r\n" + SMUGGLED
    answered = everything(function.port, request)
    assert answered[9:12] in (b"400", b"501"), answered
    assert answered.count(b"Connection: close\r\n") == 1, "a second answer"


def test_a_header_with_an_underscore_is_not_one_with_a_hyphen(function):
    assert function.call("/", headers={"X_Role": "admin"}).json()[3] is None
    assert function.call("/", headers={"X_Role": "admin", "X-Role": "guest"}).json()[3] == "guest"


def test_headers_have_a_limit(function):
    answered = everything(function.port, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 400_000 + b"\r\n\r\n")
    assert not answered or answered[9:12] == b"431"
