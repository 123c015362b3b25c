"""Hostile requests to Waitress. The server before a function keeps slow callers away."""

import pytest

from tests.support.hostile import AMBIGUOUS, everything

pytestmark = pytest.mark.xdist_group("hostile")  # its tests share a process

HANDLER = """
def handle(event, context):
    return [event.method, event.path, event.body.decode(), event.headers.get("X-Role")]
"""
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
# Waitress obeys the first of the two, as HTTP says. A server before the function refuses both or drops the second.
TWO_LENGTHS = {headers for headers in AMBIGUOUS if b"Transfer-Encoding: chunked" in headers and b"Length: 5" in headers}


@pytest.fixture(scope="module")
def function(shared_functions):
    return shared_functions.start(HANDLER, name="hostile")


@pytest.mark.parametrize("headers", [headers for headers in AMBIGUOUS if headers not in TWO_LENGTHS])
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
