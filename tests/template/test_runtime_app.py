"""Functions that are a WSGI application, `app`, instead of `handle`."""

import http.client

import pytest

pytestmark = pytest.mark.xdist_group("app")  # its tests share a process

IN_FLASK = """
import pathlib
import flask

app = flask.Flask(__name__)
PATH = pathlib.Path(__file__).parent / "file"
PATH.write_bytes(bytes(200_000))

@app.get("/items/<name>")
def item(name):
    return {"name": name, "a": flask.request.args.getlist("a"), "callId": flask.request.headers["X-Call-Id"]}

@app.put("/items/<name>")
def put(name):
    return flask.request.get_data(), 201

@app.get("/file")
def file():
    return flask.send_file(PATH, "application/pdf")

@app.get("/raise")
def fail():
    raise RuntimeError("secret")

@app.errorhandler(404)
def nothing(error):
    return {"code": "nothing"}, 404

def ready():
    return (PATH.parent / "ready").exists()

def close():
    (PATH.parent / "closed").touch()
"""

PLAIN = """
import sys

def app(environ, start_response):
    headers = [("Content-Type", "text/plain"), ("X-Call-Id", "its own")]
    match environ["PATH_INFO"]:
        case "/lists":
            start_response("200 OK", headers)
            return [b"", b"one,", b"", b"two"]
        case "/written":
            start_response("200 OK", headers)(b"one,")
            return [b"two"]
        case "/written-and-broken":
            start_response("200 OK", headers)(b"one,")
            raise RuntimeError("secret")
        case "/raise":
            raise RuntimeError("secret")
        case "/exit":
            sys.exit(3)
        case "/forbidden-header":
            start_response("200 OK", [("Connection", "close"), ("Content-Length", "1")])
            return [b"x"]
        case "/modules":
            start_response("200 OK", headers)
            return [str("flask" in sys.modules).encode()]
    return generated(environ, start_response)

def generated(environ, start_response):
    if environ["PATH_INFO"] == "/late":
        raise RuntimeError("secret")
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one,"
    if environ["PATH_INFO"] == "/broken":
        raise RuntimeError("secret of the stream")
    yield b"two"
"""


@pytest.fixture(scope="module")
def in_flask(shared_functions):
    return shared_functions.start(IN_FLASK, MAX_BODY_BYTES="1000")


@pytest.fixture(scope="module")
def plain(shared_functions):
    return shared_functions.start(PLAIN)


def test_an_app_has_its_own_routes_and_errors(in_flask):
    answer = in_flask.call("/items/%C3%BC?a=1&a=2", headers={"X-Call-Id": "call-1"})
    assert answer.json() == {"name": "ü", "a": ["1", "2"], "callId": "call-1"}
    assert answer.headers["X-Call-Id"] == "call-1"
    assert in_flask.access("/items/ü")["status"] == 200
    assert in_flask.call("/items/x", "POST").status == 405
    answer = in_flask.call("/elsewhere")
    assert (answer.status, answer.json()) == (404, {"code": "nothing"})


@pytest.mark.parametrize("chunked", [False, True])
def test_an_app_is_given_bodies_up_to_the_limit(in_flask, chunked):
    for size, status in ((0, 201), (1000, 201), (1001, 413)):
        content = b"x" * size
        body = iter([content]) if chunked and content else content
        answer = in_flask.call("/items/x", "PUT", body, encode_chunked=chunked)
        assert answer.status == status
        assert answer.body == content if status == 201 else answer.json()["code"] == "body.too_large"


def test_an_app_may_send_files(in_flask):
    answer = in_flask.call("/file")
    assert (answer.headers["Content-Type"], answer.body) == ("application/pdf", bytes(200_000))
    assert "aborted" not in in_flask.access("/file")


def test_an_app_may_answer_its_own_exceptions(in_flask):
    answer = in_flask.call("/raise")
    assert (answer.status, answer.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert b"secret" not in answer.body


def test_an_app_may_be_ready_later_and_close(functions):
    function = functions.start(IN_FLASK)
    assert function.call("/_/ready").status == 503
    (function.folder / "ready").touch()
    assert function.call("/_/ready").status == 200
    function.signal()
    assert function.exit_code() == 0
    assert (function.folder / "closed").exists()


@pytest.mark.parametrize("path", ["/lists", "/written", "/generated"])
def test_an_app_is_any_callable_of_wsgi(plain, path):
    answer = plain.call(path)
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "text/plain", b"one,two")
    assert len(answer.headers.get_all("X-Call-Id")) == 1
    assert answer.headers["X-Call-Id"] != "its own"
    assert "aborted" not in plain.access(path)


def test_an_app_without_flask_does_not_load_it(plain):
    assert plain.call("/modules").body == b"False"


@pytest.mark.parametrize("path", ["/raise", "/exit", "/late", "/forbidden-header"])
def test_an_app_that_raises_is_a_500_and_a_log_line(plain, path):
    answer = plain.call(path, headers={"X-Call-Id": "failing" + path.replace("/", "-")})
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert (answer.json()["code"], answer.json()["callId"]) == ("internal", answer.headers["X-Call-Id"])
    assert b"secret" not in answer.body
    line = plain.wait_line(lambda line: line["callId"] == answer.headers["X-Call-Id"] and line["level"] == "error")
    assert line["exception"].startswith("Traceback")
    assert plain.access(path)["status"] == 500


@pytest.mark.parametrize("path", ["/broken", "/written-and-broken"])
def test_an_answer_that_fails_midway_is_seen_as_cut(plain, path):
    with pytest.raises(http.client.IncompleteRead) as caught:
        plain.call(path)
    assert caught.value.partial == b"one,"
    assert plain.access(path)["aborted"] is True
    plain.wait_line(lambda line: "secret of the stream" in line.get("exception", "") or path != "/broken")


def test_a_module_named_app_is_no_application(functions):
    function = functions.start("import json as app\ndef handle(event, context): return 'done'\n")
    assert function.call("/").body == b"done"
