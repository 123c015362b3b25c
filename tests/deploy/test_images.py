"""The functions' images: their size, who runs in them, tests in the build, an end that loses no call.

Also what of-watchdog keeps away from a function: slow callers, and requests that two servers read differently.
"""

import concurrent.futures
import contextlib
import http.client
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from local.images import Build, assemble, read_builds
from tests.support.hostile import AMBIGUOUS, everything, sent

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"REGISTRY": "mailroom", "TAG": "test"}
FUNCTIONS = {build.function: build.image for build in read_builds(ROOT / "stack.yml", NAMES)}
# Megabytes, with the real of-watchdog: 0.11.6, built as upstream builds it, has 11.5. A stand-in may be smaller.
WATCHDOG = 12
LIMITS = {"invoice-importer": 350, "notifications": 220}  # Arrow; what checks the certificates of SNS
LIMIT = 200
READY_SECONDS, CONNECT_SECONDS, ANSWER_SECONDS = 20.0, 3.0, 30.0
CALLERS, SLOW_SECONDS = 8, 3.0
PORT = 8080
LIMIT_SECONDS = 1  # of of-watchdog, for a request to come and for its answer to go
READERS = 4
SLOW = """
import time
def handle(event, context):
    time.sleep(float(event.query["seconds"]))
    return "done"
"""
HOSTILE = """
calls, ended = [], []
def handle(event, context):
    if event.path == "/calls":
        return {"calls": len(calls), "ended": len(ended)}
    calls.append(event.path)
    return stream() if event.path == "/stream" else "done"
def stream():
    try:
        for _ in range(1000):
            yield b"x" * 100_000
    finally:
        ended.append(1)
"""
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("deploy"),
    pytest.mark.usefixtures("docker"),
    pytest.mark.timeout(600),
]
Start = Callable[..., tuple[str, str]]


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(words)}:\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def images() -> None:
    """Builds the images of stack.yml."""
    made = subprocess.run([sys.executable, "-m", "local.images"], cwd=ROOT, env={**os.environ, **NAMES}, check=False)
    assert made.returncode == 0


def build(source: str, folder: Path, tag: str, test: str = "") -> subprocess.CompletedProcess[str]:
    """Builds the image of a function written for a test. `test` is a test file that the build runs."""
    function = folder / "handler"
    function.mkdir()
    (function / "handler.py").write_text(source)
    (function / "requirements.txt").write_text("")
    if test:
        (function / "handler_test.py").write_text(test)
    assemble(Build("slow", tag, ROOT / "template/python3-http", function, (), {}), folder / "context")
    given = {name: os.environ[name] for name in ("PYTHON_IMAGE", "WATCHDOG_IMAGE") if os.environ.get(name)}
    arguments = {**given, "TEST_ENABLED": str(bool(test)).lower()}
    options = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    command = ["docker", "build", *options, "--tag", tag, str(folder / "context")]
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a read-only container, as OpenFaaS does. Returns its name and address."""
    names: list[str] = []

    def run(image: str, **environment: str) -> tuple[str, str]:
        names.append(f"mailroom-test-{secrets.token_hex(4)}")
        settings = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        alone = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")
        docker("run", "--detach", "--name", names[-1], *alone, *settings, image)
        address = json.loads(docker("inspect", names[-1]))[0]["NetworkSettings"]["IPAddress"]
        end = time.monotonic() + READY_SECONDS
        while call(address, "/_/ready") != HTTPStatus.OK:
            assert time.monotonic() < end, docker("logs", names[-1])
            time.sleep(0.02)
        return names[-1], address

    yield run
    for name in names:
        docker("rm", "--force", name)


def call(address: str, path: str) -> int:
    """The status of the answer; 0 without a connection, or if it ended before the call was read."""
    connection = http.client.HTTPConnection(address, PORT, timeout=CONNECT_SECONDS)
    try:
        connection.connect()
    except OSError:
        return 0
    with contextlib.closing(connection):
        connection.sock.settimeout(ANSWER_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
        except ConnectionError:  # the kernel had connected it, and the server was gone before it looked
            return 0
        answer.read()
        return answer.status


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_image_is_small_and_nobodys_root(function: str) -> None:
    image = json.loads(docker("image", "inspect", FUNCTIONS[function]))[0]
    alone = ("--rm", "--entrypoint", "stat", FUNCTIONS[function], "--format=%s", "/usr/bin/fwatchdog")
    watchdog = int(docker("run", *alone))
    size = image["Size"] + max(0, WATCHDOG * 1_000_000 - watchdog)
    assert size < LIMITS.get(function, LIMIT) * 1_000_000
    assert image["Config"]["User"] == "1000:1000"


def test_a_stop_under_load_loses_no_call(start: Start, tmp_path: Path) -> None:
    built = build(SLOW, tmp_path, "mailroom/slow:test")
    assert built.returncode == 0, built.stderr
    name, address = start("mailroom/slow:test")
    with concurrent.futures.ThreadPoolExecutor(2 * CALLERS) as pool:
        slow = [pool.submit(call, address, f"/?seconds={SLOW_SECONDS}") for _ in range(CALLERS // 2)]
        stopped = pool.submit(docker, "stop", "--time", "30", name)
        rounds: list[list[int]] = []
        while not stopped.done():
            rounds.append(list(pool.map(call, [address] * CALLERS, ["/?seconds=0.01"] * CALLERS)))
        assert [each.result() for each in slow] == [HTTPStatus.OK] * len(slow)
    # Calls that come after the end are refused: none before it, so that with the first, all later rounds have some.
    quick = [status for statuses in rounds for status in statuses]
    assert set(quick) <= {HTTPStatus.OK, 0}
    refused = [0 in statuses for statuses in rounds]
    assert refused == sorted(refused)
    assert quick.count(HTTPStatus.OK) > CALLERS
    assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"


@pytest.fixture
def hostile(start: Start, tmp_path: Path) -> str:
    """The address of a function that counts its calls, behind an of-watchdog with short limits."""
    built = build(HOSTILE, tmp_path, "mailroom/hostile:test")
    assert built.returncode == 0, built.stderr
    limit = f"{LIMIT_SECONDS}s"
    _, address = start("mailroom/hostile:test", read_timeout=limit, write_timeout=limit)
    return address


def counts(address: str) -> dict[str, int]:
    """The number of calls that the function saw, and of streams that ended."""
    request = b"GET /calls HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answered: dict[str, int] = json.loads(everything(PORT, request, address).rpartition(b"\r\n\r\n")[2])
    return answered


def test_slow_callers_are_cut_off_by_the_watchdog(hostile: str) -> None:
    for begun in (
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n",
    ):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(sent(PORT, begun, host=hostile)) for _ in range(10)]
            ends = time.monotonic() + 10 * LIMIT_SECONDS
            for client in clients:
                while True:
                    assert time.monotonic() < ends, f"still open: {begun!r}"
                    try:
                        client.sendall(b"a")  # a byte now and then
                    except OSError:
                        break
                    assert call(hostile, "/") == HTTPStatus.OK
                    time.sleep(0.1)


def test_readers_that_do_not_read_are_cut_off_by_the_watchdog(hostile: str) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(READERS):
            stack.enter_context(sent(PORT, b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", 4096, hostile))
        ends = time.monotonic() + 10 * LIMIT_SECONDS
        while counts(hostile)["ended"] < READERS:
            assert time.monotonic() < ends, "a stream still waits for its reader"
            time.sleep(0.1)


def test_nothing_is_smuggled_past_the_watchdog(hostile: str) -> None:
    for headers in AMBIGUOUS:
        before = counts(hostile)["calls"]
        request = b"POST / HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n0\r\n\r\n" + SMUGGLED
        answered = everything(PORT, request, hostile)
        # The function sees exactly the calls that of-watchdog answered.
        assert counts(hostile)["calls"] - before == answered.count(b"HTTP/1.1 200 OK\r\n"), (headers, answered)
        assert answered, headers


@pytest.mark.parametrize("answer", ["done", "something else"])
def test_a_function_is_tested_in_its_build(answer: str, tmp_path: Path) -> None:
    test = f"""
import unittest
from .handler import handle
class HandlerTest(unittest.TestCase):
    def test_answers(self):
        self.assertEqual(handle(None, None), {answer!r})
"""
    built = build("def handle(event, context): return 'done'", tmp_path, "mailroom/tested:test", test)
    assert (built.returncode == 0) is (answer == "done"), built.stdout + built.stderr
