"""The router before a real function: endless callers, and smuggled requests."""

import json
import select
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from local.data_folder import DataFolder
from local.ready import http_ok
from tests.support.hostile import AMBIGUOUS, everything, sent
from tests.support.processes import ROOT, inherited, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("router")  # its tests share a process

HANDLER = """
import time

ended = []
worked = []

def handle(event, context):
    match event.path:
        case "/stream":
            return stream()
        case "/ended":
            return ended
        case "/work":
            worked.append("begun")
            time.sleep(0.5)
            worked.append("done")
        case "/worked":
            return worked
    return [event.method, event.path, event.body.decode(), dict(event.headers)]

def stream():
    try:
        for _ in range(1000):
            yield b"x" * 100_000
    finally:
        ended.append("yes")
"""
LIMIT_SECONDS = 1  # instead of the router's own, for a call from its first byte to the last of its answer
ROUTER = f"import local.proxy as proxy, local.router as router; proxy.CALL_SECONDS = {LIMIT_SECONDS}; router.main()"
READERS = 4  # half of a function's threads


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The router's, before the functions `invoices` and `worker`."""
    folder = tmp_path_factory.mktemp("router")
    ports = DataFolder(folder / "data").ports(["router", "invoices", "worker"])
    (folder / "function").mkdir()
    (folder / "function/handler.py").write_text(HANDLER)
    routes = {name: {"url": f"http://127.0.0.1:{ports[name]}", "schedule": None} for name in ("invoices", "worker")}
    (folder / "routes.json").write_text(json.dumps(routes))
    index = ROOT / "template/python3-http/index.py"
    with ExitStack() as stack:

        def start(*command: str, **more: str) -> None:
            stack.enter_context(running(*command, env=inherited() | more))

        for name in routes:
            start(str(index), FUNCTION_DIR=str(folder / "function"), PORT=str(ports[name]))
        start("-c", ROUTER, "--port", str(ports["router"]), "--routes", str(folder / "routes.json"))
        for name in routes:
            eventually(http_ok(f"http://127.0.0.1:{ports[name]}/_/ready"))
        eventually(http_ok(f"http://127.0.0.1:{ports['router']}/healthz"))
        yield ports["router"]


def answer(port: int, path: str = "") -> bytes:
    """The function's answer, which must be 200."""
    answered = everything(
        port, f"GET /function/invoices{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    assert answered[9:12] == b"200", answered
    return answered.rpartition(b"\r\n\r\n")[2]


SMUGGLED = b"GET /function/worker/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("headers", AMBIGUOUS)
def test_a_request_that_two_servers_would_read_differently_is_refused(port: int, headers: bytes) -> None:
    request = b"POST /function/invoices HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n0\r\n\r\n" + SMUGGLED
    answered = everything(port, request)
    assert answered[9:12] == b"400", answered
    assert b'["GET"' not in answered, "the function was called"


@pytest.mark.parametrize(
    "headers",
    [
        b"Connection: content-length, close",
        b"Connection: close\r\nX_Call_Id: forged\r\nX-Forwarded-For: 1.2.3.4",
        b"Upgrade: websocket\r\nConnection: Upgrade, close",
        b"Expect: 100-continue\r\nConnection: close",
    ],
)
def test_a_body_stays_a_body_whatever_is_said_of_it(port: int, headers: bytes) -> None:
    length = b"Content-Length: %d\r\n" % len(SMUGGLED)
    request = b"POST /function/invoices HTTP/1.1\r\nHost: x\r\n" + length + headers + b"\r\n\r\n" + SMUGGLED
    method, path, body, received = json.loads(everything(port, request).rpartition(b"\r\n\r\n")[2])
    assert (method, path, body) == ("POST", "/", SMUGGLED.decode())
    assert received["X-Call-Id"] != "forged"
    assert received.get("X-Forwarded-For", "127.0.0.1") == "127.0.0.1"


@pytest.mark.parametrize(
    "target",
    [
        "//function/worker",
        "http://worker/function/other",
        "/function/worker%2fx",
        "/function/%77orker",
        "/function/invoices@worker",
        "/function/:80/",
        "/function/../function/worker",
    ],
)
def test_no_path_leads_to_another_function(port: int, target: str) -> None:
    answered = everything(port, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answered[9:12] == b"404", answered


@pytest.mark.parametrize("path", ["/../worker/x", "/%2e%2e/worker/x", "/\\..\\..", "/@127.0.0.1:1/"])
def test_the_rest_of_a_path_is_the_functions_own_affair(port: int, path: str) -> None:
    request = f"GET /function/invoices{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    received = json.loads(everything(port, request.encode()).rpartition(b"\r\n\r\n")[2])
    assert received[1] == path.replace("%2e", ".")


BODY = b"POST /function/invoices HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"


@pytest.mark.parametrize(
    "begun",
    [b"GET /function/invoices HT", b"GET /function/invoices HTTP/1.1\r\nHost: x\r\nX-A: ", BODY],
    ids=["line", "header", "body"],
)
def test_slow_callers_disturb_nobody(port: int, begun: bytes) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(sent(port, begun)) for _ in range(50)]
        ends = time.monotonic() + 3 * LIMIT_SECONDS
        while time.monotonic() < ends:
            for client in clients:
                with suppress(OSError):
                    client.sendall(b"a")  # a byte now and then
            answer(port)
            time.sleep(0.1)


def test_a_slow_body_is_given_up(port: int) -> None:
    with sent(port, BODY) as client:
        began = time.monotonic()
        while not select.select([client], [], [], 0.1)[0]:
            assert time.monotonic() - began < 30, "no answer"
            client.sendall(b"a")  # a byte now and then
        assert client.recv(12) == b"HTTP/1.1 504"
        assert time.monotonic() - began >= LIMIT_SECONDS


def test_readers_that_do_not_read_are_cut_off_and_their_threads_come_back(port: int) -> None:
    with ExitStack() as stack:
        ask = b"GET /function/invoices/stream HTTP/1.1\r\nHost: x\r\n\r\n"
        readers = [stack.enter_context(sent(port, ask, 4096)) for _ in range(READERS)]
        eventually(lambda: answer(port, "/ended").count(b"yes") == READERS)
        for reader in readers:
            with suppress(ConnectionResetError):
                while received := reader.recv(1 << 20):
                    assert not received.endswith(b"\r\n0\r\n\r\n"), "it seems to be complete"


def test_a_call_goes_on_when_its_caller_hangs_up_as_a_kicker_does(port: int) -> None:
    with sent(port, b"POST /function/invoices/work HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"):
        eventually(lambda: json.loads(answer(port, "/worked")))
    eventually(lambda: json.loads(answer(port, "/worked")) == ["begun", "done"])
