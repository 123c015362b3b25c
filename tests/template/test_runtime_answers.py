"""The results that a handler may return, and the answers to the caller."""

import http.client
import json
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.hostile import everything, sent
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("answers")  # its tests share a process

HANDLER = """
import dataclasses, datetime, decimal, uuid
from werkzeug import Response

def stream():
    yield b"one,"
    yield "two"

def broken():
    yield b"one,"
    raise RuntimeError("secret of the stream")

def never():
    raise RuntimeError("before the first item")
    yield b""

class Unprintable: pass

@dataclasses.dataclass
class Point:
    x: int

class Html:
    def __html__(self): return "<b>"

VALUES = [datetime.date(2026, 1, 5), datetime.datetime(2026, 1, 5, 6, 7, 8), decimal.Decimal("1.10"), uuid.UUID(int=7),
          Point(3), Html()]

PROBLEM = {"content-type": "application/problem+json"}

ANSWERS = {
    "/none": lambda: None,
    "/text": lambda: "plain ü",
    "/bytes": lambda: bytes(range(256)),
    "/list": lambda: [1, {"a": "ü"}],
    "/dict": lambda: {"zeta": 1, "alpha": 2},
    "/number": lambda: 5,
    "/envelope-list": lambda: {"statusCode": 201, "body": [1, 2], "headers": {"X-A": "b"}},
    "/envelope-dict": lambda: {"statusCode": 422, "body": {"a": 1}, "headers": PROBLEM},
    "/envelope-bytes": lambda: {"statusCode": 200, "body": b"\\xff", "headers": [("Content-Type", "image/x")]},
    "/envelope-none": lambda: {"statusCode": 204},
    "/pairs": lambda: {"statusCode": 200, "body": "x", "headers": [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]},
    "/stream": lambda: {"statusCode": 200, "body": stream(), "headers": {"Content-Type": "text/csv"}},
    "/plain-stream": stream,
    "/broken": broken,
    "/never": never,
    "/tuple2": lambda: ("made", 201),
    "/tuple3": lambda: ({"a": 1}, 202, {"X-A": "b"}),
    "/values": lambda: VALUES,
    "/response": lambda: Response("teapot", 418, {"X-Tea": "yes"}),
    "/raise": lambda: 1 / 0,
    "/exit": lambda: exit(3),
    "/unprintable": lambda: {"body": Unprintable()},
    "/bad-status": lambda: {"statusCode": 99},
    "/bad-header": lambda: {"statusCode": 200, "headers": {"X-A": "b\\r\\nX-Evil: 1"}},
    "/bad-tuple": lambda: (1, 2, 3, 4),
    "/hop-by-hop": lambda: {"statusCode": 200, "headers": {"Connection": "close"}},
}

def handle(event, context):
    if event.path in ANSWERS:
        return ANSWERS[event.path]()
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": {
        "body": event.body.decode("latin-1"), "method": event.method, "path": event.path,
        "a": event.query.get("a"), "all": event.query.getlist("a"), "header": event.headers.get("x-tEST"),
        "forwarded": [event.headers.get(f"X-Forwarded-{name}") for name in ("For", "Host", "Proto")],
        "callId": context.call_id, "hostname": context.hostname}}
"""


IN_FLASK = """
import flask
from flask import Response, jsonify

def after(response):
    response.headers["X-After"] = "yes"
    return response

ANSWERS = {
    "/response": lambda: Response("teapot", 418, {"X-Tea": "yes"}),
    "/jsonify": lambda: jsonify(path=flask.request.path),
    "/abort": lambda: flask.abort(403),
    "/after": lambda: flask.after_this_request(after) and "done",
}

def handle(event, context):
    return ANSWERS[event.path]()
"""


@pytest.fixture(scope="module")
def function(shared_functions):
    return shared_functions.start(HANDLER, HOSTNAME="host-1", MAX_BODY_BYTES="1000")


@pytest.fixture(scope="module")
def in_flask(shared_functions):
    return shared_functions.start(IN_FLASK)


@pytest.mark.parametrize(
    ("path", "status", "kind", "body"),
    [
        ("/none", 200, "text/html; charset=utf-8", b""),
        ("/text", 200, "text/html; charset=utf-8", "plain ü".encode()),
        ("/bytes", 200, "application/octet-stream", bytes(range(256))),
        ("/list", 200, "application/json", '[1,{"a":"ü"}]'.encode()),
        ("/dict", 200, "application/json", b'{"zeta":1,"alpha":2}'),
        ("/number", 200, "application/json", b"5"),
        ("/envelope-list", 201, "application/json", b"[1,2]"),
        ("/envelope-dict", 422, "application/problem+json", b'{"a":1}'),
        ("/envelope-bytes", 200, "image/x", b"\xff"),
        ("/stream", 200, "text/csv", b"one,two"),
        ("/plain-stream", 200, "application/octet-stream", b"one,two"),
        ("/tuple2", 201, "text/html; charset=utf-8", b"made"),
        ("/tuple3", 202, "application/json", b'{"a":1}'),
        ("/response", 418, "text/plain; charset=utf-8", b"teapot"),
    ],
)
def test_each_kind_of_result_gives_its_answer(function, path, status, kind, body):
    answer = function.call(path)
    assert (answer.status, answer.headers["Content-Type"], answer.body.rstrip(b"\n")) == (status, kind, body)
    assert "Server" not in answer.headers


def test_headers_of_a_result_are_sent(function):
    assert function.call("/envelope-list").headers["X-A"] == "b"
    assert function.call("/tuple3").headers["X-A"] == "b"
    assert function.call("/response").headers["X-Tea"] == "yes"
    assert function.call("/pairs").headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_a_204_has_no_body(function):
    answer = function.call("/envelope-none")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (204, b"", None)


def test_values_that_json_has_no_type_for_are_written_as_flask_does(function):
    monday, six = "Mon, 05 Jan 2026 00:00:00 GMT", "Mon, 05 Jan 2026 06:07:08 GMT"
    seven = "00000000-0000-0000-0000-000000000007"
    assert function.call("/values").json() == [monday, six, "1.10", seven, {"x": 3}, "<b>"]


def test_what_flask_offers_works_in_a_handler(in_flask):
    answer = in_flask.call("/response")
    assert (answer.status, answer.headers["Content-Type"]) == (418, "text/html; charset=utf-8")
    assert (answer.body, answer.headers["X-Tea"]) == (b"teapot", "yes")
    assert in_flask.call("/jsonify").json() == {"path": "/jsonify"}
    assert in_flask.call("/abort").status == 403
    assert in_flask.call("/after").headers["X-After"] == "yes"


def test_a_handler_sees_what_the_gateway_says_of_the_caller(function):
    said = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "mail.example", "X-Forwarded-Proto": "https"}
    assert function.call("/", "POST", b"", said).json()["forwarded"] == list(said.values())


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_an_event_holds_the_request(function, method):
    headers = {"X-Test": "yes", "Content-Type": "application/x-www-form-urlencoded"}
    answer = function.call("/deep//path/%C3%BC?a=1&a=2", method, b"a=\xff\x00", headers).json()
    assert answer | {"callId": ""} == {
        "body": "a=\xff\x00",
        "method": method,
        "path": "/deep//path/ü",
        "a": "1",
        "all": ["1", "2"],
        "header": "yes",
        "forwarded": [None, None, None],
        "callId": "",
        "hostname": "host-1",
    }


def test_head_has_no_body(function):
    answer = function.call("/list", "HEAD")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Call-Id": "a.B_1-2", "X-Request-Id": "other"}, "a.B_1-2"),
        ({"X-Request-Id": "from-request"}, "from-request"),
        ({"X-Call-Id": 'forged", "level', "X-Request-Id": "fallback"}, "fallback"),
        ({"X-Call-Id": "x" * 129}, None),
        ({}, None),
    ],
)
def test_a_call_keeps_or_gets_an_id(function, headers, expected):
    answer = function.call("/id", headers=headers)
    call_id = answer.json()["callId"]
    assert answer.headers["X-Call-Id"] == call_id
    assert call_id == expected if expected else len(call_id) == 32
    function.wait_line(lambda line: line["callId"] == call_id and line["message"] == "call")


@pytest.mark.parametrize(
    "path", ["/raise", "/exit", "/never", "/unprintable", "/bad-status", "/bad-header", "/bad-tuple"]
)
def test_a_failing_handler_is_a_500_and_a_log_line(function, path):
    call_id = "failing" + path.replace("/", "-")
    answer = function.call(path, headers={"X-Call-Id": call_id})
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["callId"]) == (500, "internal", call_id)
    assert problem.keys() == {"type", "title", "status", "detail", "code", "callId"}
    assert b"Traceback" not in answer.body
    line = function.wait_line(lambda line: line["callId"] == call_id and line["level"] == "error")
    assert line["exception"].startswith("Traceback")
    assert function.access(path)["status"] == 500


def test_a_handler_that_sets_a_header_of_the_server_is_a_500(function):
    answer = function.call("/hop-by-hop")
    assert (answer.status, answer.json()["code"]) == (500, "internal")


def test_a_stream_that_fails_midway_is_seen_as_cut(function):
    with pytest.raises(http.client.IncompleteRead) as caught:
        function.call("/broken")
    assert caught.value.partial == b"one,"
    assert function.access("/broken")["aborted"] is True
    function.wait_line(lambda line: "secret of the stream" in line.get("exception", ""))


@pytest.mark.parametrize("size", [1001, 1900])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_413(function, size, chunked):
    connection = function.connect()
    body = iter([b"x" * 1000, b"x" * (size - 1000)]) if chunked else b"x" * size
    connection.request("POST", "/echo", body, encode_chunked=chunked, headers={})
    answer = connection.getresponse()
    problem = json.loads(answer.read())
    assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert (problem["status"], problem["code"]) == (413, "body.too_large")
    assert problem["callId"] == answer.headers["X-Call-Id"]
    # The same connection serves the next call.
    local = connection.sock.getsockname()
    connection.request("POST", "/echo", b"y" * 1000)
    assert len(json.loads(connection.getresponse().read())["body"]) == 1000
    assert connection.sock.getsockname() == local
    connection.close()


@pytest.mark.parametrize("headers", [b"Content-Length: 2001", b"Content-Length: 1099511627776"])
def test_a_body_of_more_than_twice_the_limit_ends_the_connection(function, headers):
    answered = everything(function.port, b"POST /echo HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in answered


def test_a_chunked_body_without_end_is_cut_off(function):
    def send_without_end(client: socket.socket) -> None:
        while True:
            client.sendall(b"3e8\r\n" + b"x" * 1000 + b"\r\n")

    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with sent(function.port, head) as client, pytest.raises(ConnectionError):
        send_without_end(client)
    assert function.call("/list").status == 200


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
def test_temporary_files_are_bounded(functions):
    limit = 1_000_000
    function = functions.start(HANDLER, MAX_BODY_BYTES=str(limit))

    def files() -> list[int]:
        """The sizes of the process's files that have no name."""
        sizes = []
        for link in Path(f"/proc/{function.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                if "deleted" in str(link.readlink()):
                    sizes.append(link.stat().st_size)
        return sizes

    def begin(size: int, count: int) -> socket.socket:
        head = f"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
        return sent(function.port, head.encode() + b"x" * count)

    with begin(limit, limit - 1) as client:  # a body within the limit is in memory
        time.sleep(0.3)
        assert files() == []
        client.sendall(b"x")
        assert client.recv(12).endswith(b"200")
    with begin(2 * limit, 2 * limit - 1) as client:  # a refused body is in a file until then
        eventually(lambda: sum(files()) > 1.9 * limit)
        assert sum(files()) <= 2 * limit
        client.sendall(b"x")
        assert client.recv(12).endswith(b"413")
    eventually(lambda: files() == [])
    with begin(2 * limit + 1, 0) as client:  # nothing beyond is read
        assert client.recv(12).endswith(b"413")
        assert files() == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
def test_a_long_body_is_in_a_file(functions):
    """However high the limit is, as many bodies as there are connections fit into memory."""
    function = functions.start(HANDLER, MAX_BODY_BYTES=str(16 << 20))
    size = 3 << 20
    head = f"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"

    def in_files() -> int:
        found = 0
        for link in Path(f"/proc/{function.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                found += link.stat().st_size if "deleted" in str(link.readlink()) else 0
        return found

    with sent(function.port, head.encode() + b"x" * (size - 1)) as client:
        eventually(lambda: in_files() >= size - 1)
        client.sendall(b"x")
        assert client.recv(12).endswith(b"200")


def test_a_chunked_body_arrives_whole(function):
    answer = function.call("/echo", "POST", iter([b"ab", b"c" * 998]), encode_chunked=True)
    assert answer.json()["body"] == "ab" + "c" * 998


def test_a_malformed_request_is_refused(function):
    answer = function.call("/echo", "POST", headers={"Content-Length": "-1"})
    assert (answer.status, answer.headers["Connection"]) == (400, "close")
