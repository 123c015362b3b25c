"""What a handler may return, and what its caller then gets."""

import http.client
import json
import re
import socket
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module", params=["", "import flask"], ids=["werkzeug", "flask"])
def function(shared_functions, request):
    return shared_functions.start(f"{request.param}\n{HANDLER}", HOSTNAME="host-1", MAX_BODY_BYTES="1000")


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
def test_results(function, path, status, kind, body):
    answer = function.call(path)
    assert (answer.status, answer.headers["Content-Type"], answer.body.rstrip(b"\n")) == (status, kind, body)
    assert "Server" not in answer.headers


def test_headers_of_results(function):
    assert function.call("/envelope-list").headers["X-A"] == "b"
    assert function.call("/tuple3").headers["X-A"] == "b"
    assert function.call("/response").headers["X-Tea"] == "yes"
    assert function.call("/pairs").headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_no_content(function):
    answer = function.call("/envelope-none")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (204, b"", None)


def test_values_that_json_has_no_type_for_are_written_as_flask_does(function):
    monday, six = "Mon, 05 Jan 2026 00:00:00 GMT", "Mon, 05 Jan 2026 06:07:08 GMT"
    seven = "00000000-0000-0000-0000-000000000007"
    assert function.call("/values").json() == [monday, six, "1.10", seven, {"x": 3}, "<b>"]


def test_what_flask_offers_works_in_a_handler_that_imports_it(in_flask):
    answer = in_flask.call("/response")
    assert (answer.status, answer.headers["Content-Type"]) == (418, "text/html; charset=utf-8")
    assert (answer.body, answer.headers["X-Tea"]) == (b"teapot", "yes")
    assert in_flask.call("/jsonify").json() == {"path": "/jsonify"}
    assert in_flask.call("/abort").status == 403
    assert in_flask.call("/after").headers["X-After"] == "yes"


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "PURGE"])
def test_event(function, method):
    headers = {"X-Test": "yes", "Content-Type": "application/x-www-form-urlencoded"}
    answer = function.call("/deep//path/%C3%BC?a=1&a=2", method, b"a=\xff\x00", headers).json()
    assert answer | {"callId": ""} == {
        "body": "a=\xff\x00",
        "method": method,
        "path": "/deep//path/ü",
        "a": "1",
        "all": ["1", "2"],
        "header": "yes",
        "callId": "",
        "hostname": "host-1",
    }


def test_the_head_of_an_answer_comes_with_its_body(function):
    with socket.create_connection(("127.0.0.1", function.port), timeout=10) as client:
        for _ in range(20):
            client.sendall(b"GET /list HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(1 << 16).endswith('\r\n\r\n[1,{"a":"ü"}]'.encode())


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
def test_call_id(function, headers, expected):
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


def test_a_header_that_is_the_servers_is_a_500(function):
    answer = function.call("/hop-by-hop")
    assert (answer.status, answer.json()["code"]) == (500, "internal")


def test_a_stream_that_fails_midway_is_seen_as_cut(function):
    with pytest.raises(http.client.IncompleteRead) as caught:
        function.call("/broken")
    assert caught.value.partial == b"one,"
    assert function.access("/broken")["aborted"] is True
    function.wait_line(lambda line: "secret of the stream" in line.get("exception", ""))


@pytest.mark.parametrize("size", [1001, 300_000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_too_large(function, size, chunked):
    connection = function.connect()
    body = iter([b"x" * 1000] * (size // 1000) + [b"x" * (size % 1000)]) if chunked else b"x" * size
    connection.request("POST", "/echo", body, encode_chunked=chunked, headers={})
    answer = connection.getresponse()
    problem = json.loads(answer.read())
    assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert (problem["status"], problem["code"]) == (413, "body.too_large")
    # The same connection serves the next call.
    local = connection.sock.getsockname()
    connection.request("POST", "/echo", b"y" * 1000)
    assert len(json.loads(connection.getresponse().read())["body"]) == 1000
    assert connection.sock.getsockname() == local
    connection.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
def test_a_body_too_large_is_kept_nowhere(function):
    size = 40_000_000
    with socket.create_connection(("127.0.0.1", function.port), timeout=10) as client:
        client.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n".encode())
        client.sendall(b"x" * (size - 1))  # returns when all but the kernel's buffers has been read
        process = Path(f"/proc/{function.process.pid}")
        files = [str(link.readlink()) for link in (process / "fd").iterdir()]
        assert not [name for name in files if "deleted" in name]
        assert int(re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())[1]) < 60_000
        client.sendall(b"x")
        assert client.makefile("rb").readline() == b"HTTP/1.1 413 Request Entity Too Large\r\n"


def test_a_body_beyond_reason_is_refused_unread(function):
    answer = function.call("/", "POST", headers={"Content-Length": str(1 << 40)})
    assert (answer.status, answer.json()["code"], answer.headers["Connection"]) == (413, "body.too_large", "close")


def test_a_chunked_body_arrives_whole(function):
    answer = function.call("/echo", "POST", iter([b"ab", b"c" * 998]), encode_chunked=True)
    assert answer.json()["body"] == "ab" + "c" * 998


def test_what_is_no_request_is_a_problem(function):
    answer = function.call("/echo", "POST", headers={"Content-Length": "-1"})
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == "request.invalid"
