"""The life of the process: import, readiness, drain, end."""

import concurrent.futures
import http.client
import signal
import socket
import time

import pytest

from tests.support.hostile import sent
from tests.support.waiting import eventually

SLOW = """
import pathlib, sys, threading, time
HERE = pathlib.Path(__file__).parent
def handle(event, context):
    match event.path:
        case "/wait":  # for the test to let it go
            (HERE / "begun").touch()
            while not (HERE / "go").exists():
                time.sleep(0.005)
        case "/stream":
            return stream()
        case "/short":
            time.sleep(0.01)
    return "done"
def stream():
    try:
        yield b"first"
        while not (HERE / "go").exists():
            time.sleep(0.005)
            if event_sends:
                yield b"x" * 1000
        yield b"last"
    finally:
        (HERE / "stream-closed").touch()
event_sends = False
def close():
    with (HERE / "closed").open("a") as file:
        file.write("x")
"""


def closed(function):
    file = function.folder / "closed"
    return file.read_text() if file.exists() else ""


def test_a_function_may_use_relative_imports_and_shared_code(functions, tmp_path):
    folder = tmp_path / "invoice-events"
    (folder / "shared_code").mkdir(parents=True)
    (folder / "shared_code" / "__init__.py").write_text("NAME = 'shared'")
    (folder / "sibling.py").write_text("NAME = 'sibling'")
    function = functions.start(
        "from shared_code import NAME as shared\nfrom .sibling import NAME\n"
        "def handle(event, context): return [__name__, NAME, shared]\n",
        name="invoice-events",
    )
    assert function.call("/").json() == ["function.handler", "sibling", "shared"]


def test_a_function_may_be_a_package_with_init(functions, tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "__init__.py").write_text("VALUE = 7")
    function = functions.start("from . import VALUE\ndef handle(event, context): return [VALUE]\n", name="f")
    assert function.call("/").json() == [7]


def test_objects_from_the_start_are_frozen_for_the_garbage_collector(functions):
    function = functions.start(
        "import gc\nKEPT = [[number] for number in range(100_000)]\n"
        "def handle(event, context): return [len(gc.get_objects()), gc.get_freeze_count()]\n"
    )
    looked_through, left_alone = function.call("/").json()
    assert left_alone > 100_000
    assert looked_through < 50_000


@pytest.mark.parametrize(
    ("source", "environ", "reason"),
    [
        ("raise RuntimeError('at import')", {}, "at import"),
        ("def other(): pass", {}, "neither handle"),
        ("app, handle = 1, None", {}, "neither handle"),
        ("def handle(e, c): pass\ndef app(e, s): pass", {}, "both handle"),
        ("def handle(e, c): pass", {"PORT": "http"}, "PORT is a whole number"),
        ("def handle(e, c): pass", {"healthcheck_interval": "soon"}, "healthcheck_interval is a duration"),
        ("def handle(e, c): pass", {"LOG_LEVEL": "loud"}, "LOG_LEVEL is one of"),
        ("def handle(e, c): pass", {"FUNCTION_DIR": "/nonexistent"}, "There is no handler.py"),
    ],
)
def test_a_function_that_cannot_start_says_why_in_one_line(functions, source, environ, reason):
    function = functions.spawn(source, **environ)
    assert function.exit_code() == 1
    line = function.wait_line(lambda line: line["level"] == "critical")
    assert reason in line.get("exception", line["message"])
    assert len(function.lines) == 1


def test_calls_wait_for_a_slow_import(functions):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    source = (
        "import pathlib, time\nHERE = pathlib.Path(__file__).parent\n(HERE / 'importing').touch()\n"
        "while not (HERE / 'go').exists(): time.sleep(0.005)\ndef handle(event, context): return 'done'\n"
    )
    function = functions.spawn(source, PORT=str(port))
    function.port = port
    eventually((function.folder / "importing").exists)
    connection = function.connect()
    connection.request("GET", "/")
    (function.folder / "go").touch()
    assert connection.getresponse().read() == b"done"
    connection.close()


def test_the_watchdog_is_told_once_the_port_is_open(functions, tmp_path):
    lock = tmp_path / "tmp/.lock"
    lock.parent.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    function = functions.spawn(
        "def handle(event, context): return 'done'\n", PORT=str(port), TMPDIR=str(lock.parent), suppress_lock="true"
    )
    function.port = port
    eventually(lock.exists)
    assert function.call("/").body == b"done"


def test_no_lock_file_is_made_when_it_is_suppressed(functions, tmp_path):
    functions.start("def handle(event, context): return 'done'\n", TMPDIR=str(tmp_path))
    assert not (tmp_path / ".lock").exists()


def test_readiness_ends_with_the_drain_and_health_does_not(functions):
    function = functions.start(
        "state = {'ready': True}\ndef handle(event, context):\n    state['ready'] = event.body.decode()\n"
        "def ready():\n    if state['ready'] == 'raise': raise ConnectionError('no database')\n"
        "    return state['ready'] != 'no'\n"
    )
    assert function.call("/_/ready").status == 200
    for body, expected in (("no", 503), ("raise", 503), ("yes", 200)):
        function.call("/", "POST", body)
        assert function.call("/_/ready").status == expected
        assert function.call("/_/health").status == 200
    function.wait_line(lambda line: line["message"] == "not ready" and "no database" in line["exception"])


def test_an_idle_process_ends_after_the_quiet_time(functions):
    function = functions.start(SLOW, healthcheck_interval="300ms")
    began = time.monotonic()
    function.signal()
    assert function.exit_code() == 0
    assert 0.3 <= time.monotonic() - began < 2
    assert closed(function) == "x"


def test_sigint_waits_for_calls_but_not_for_more(functions):
    function = functions.start(SLOW, healthcheck_interval="60s")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        call = pool.submit(function.call, "/wait")
        eventually((function.folder / "begun").exists)
        function.signal(signal.SIGINT)
        eventually(lambda: function.call("/_/ready").status == 503)
        (function.folder / "go").touch()
        assert call.result().body == b"done"
    assert function.exit_code() == 0
    assert closed(function) == "x"


def test_draining_serves_what_is_in_flight_and_what_still_comes(functions):
    function = functions.start(SLOW)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        call = pool.submit(function.call, "/wait")
        eventually((function.folder / "begun").exists)
        function.signal()
        eventually(lambda: function.call("/_/ready").status == 503)
        assert function.call("/_/health").status == 200
        assert function.call("/late").body == b"done"
        time.sleep(0.3)  # longer than the quiet time: the call in flight must hold the end back
        assert function.process.poll() is None
        assert closed(function) == ""
        (function.folder / "go").touch()
        assert call.result().body == b"done"
    assert function.exit_code() == 0
    assert closed(function) == "x"


def test_a_stream_in_flight_is_sent_to_its_end(functions):
    function = functions.start(SLOW)
    connection = function.connect()
    connection.request("GET", "/stream")
    answer = connection.getresponse()
    assert answer.read(5) == b"first"
    function.signal()
    time.sleep(0.3)
    (function.folder / "go").touch()
    assert answer.read() == b"last"
    connection.close()
    assert function.exit_code() == 0


BIG = "def handle(event, context): return b'x' * 30_000_000\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_slow_reader_gets_all_of_its_answer(functions, number):
    function = functions.start(BIG)
    with sent(function.port, b"GET /big HTTP/1.0\r\n\r\n", buffer=4096) as client:
        received = len(client.recv(1 << 16))
        function.signal(number)
        eventually(lambda: function.call("/_/ready").status == 503)
        for _ in range(10):  # in all longer than the quiet time
            time.sleep(0.03)
            received += len(client.recv(1 << 16))
        while data := client.recv(1 << 20):
            received += len(data)
    assert received > 30_000_000
    assert function.exit_code() == 0
    assert "aborted" not in function.access("/big")


def test_a_reader_that_stands_still_does_not_hold_the_process(functions):
    function = functions.start(BIG, DRAIN_SECONDS="1")
    with sent(function.port, b"GET /big HTTP/1.0\r\n\r\n", buffer=4096) as client:
        assert client.recv(1000).startswith(b"HTTP/1.0 200 OK")
        began = time.monotonic()
        function.signal()
        assert function.exit_code() == 0
        assert 1 <= time.monotonic() - began < 4
    assert function.wait_line(lambda line: "out of time" in line["message"])["calls"] == 1


def test_sigterm_under_load_loses_nothing(functions):
    function = functions.start(SLOW, healthcheck_interval="300ms")
    statuses = []

    def callers_until_unready(number):
        for count in range(10_000):
            statuses.append(function.call(f"/short?{number}").status)
            if count % 5 == 0 and function.call("/_/ready").status == 503:
                break
        # as a proxy that learns of it a little later
        for _ in range(5):
            statuses.append(function.call(f"/short?{number}").status)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        callers = [pool.submit(callers_until_unready, number) for number in range(16)]
        eventually(lambda: len(statuses) > 200)
        function.signal()
        for caller in callers:
            caller.result()
    assert function.exit_code() == 0
    assert set(statuses) == {200}
    assert closed(function) == "x"


def test_the_drain_is_bounded(functions):
    function = functions.start(SLOW, DRAIN_SECONDS="1")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        call = pool.submit(function.call, "/wait")
        eventually((function.folder / "begun").exists)
        began = time.monotonic()
        function.signal()
        assert function.exit_code() == 0
        assert 1 <= time.monotonic() - began < 4
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            call.result()
    assert closed(function) == "x"
    assert function.wait_line(lambda line: "out of time" in line["message"])["calls"] == 1


def test_threads_left_behind_do_not_hold_the_end(functions):
    function = functions.start(
        "import threading, time\nthreading.Thread(target=time.sleep, args=[60]).start()\ndef handle(e, c): pass\n"
    )
    function.signal()
    assert function.exit_code() == 0


def test_a_stream_is_closed_when_its_reader_hangs_up(functions):
    function = functions.start(SLOW.replace("event_sends = False", "event_sends = True"))
    connection = function.connect()
    connection.request("GET", "/stream")
    answer = connection.getresponse()
    assert answer.read(5) == b"first"
    answer.close()
    connection.close()
    eventually((function.folder / "stream-closed").exists)
    assert function.access("/stream")["aborted"] is True
    assert function.call("/").body == b"done"


def test_a_stream_waits_for_its_reader(functions):
    function = functions.start(
        "made = 0\ndef handle(event, context):\n    return stream() if event.path == '/s' else [made]\n"
        "def stream():\n    global made\n    for _ in range(1000):\n        made += 1\n        yield b'x' * 100_000\n"
    )
    with sent(function.port, b"GET /s HTTP/1.0\r\n\r\n", buffer=4096):
        eventually(lambda: function.call("/").json()[0] > 10)
        time.sleep(0.3)
        assert function.call("/").json()[0] < 110  # of 100 kB, nearly all of them in the kernel


def test_a_setting_limits_the_threads(functions):
    function = functions.start(SLOW, THREADS="2")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        calls = [pool.submit(function.call, "/wait") for _ in range(2)]
        eventually((function.folder / "begun").exists)
        third = pool.submit(function.call, "/third")
        with pytest.raises(TimeoutError):
            third.result(0.3)
        (function.folder / "go").touch()
        assert {call.result().body for call in [*calls, third]} == {b"done"}
