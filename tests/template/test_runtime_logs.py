"""The log: JSON lines that OpenFaaS can carry and that hold no secret."""

import re

import pytest

pytestmark = pytest.mark.xdist_group("logs")  # its tests share a process

HANDLER = """
import logging, threading, warnings
log = logging.getLogger("mine")

class Silent:
    def __str__(self): raise ValueError("no text")

def handle(event, context):
    match event.path:
        case "/extra": log.info("counted %d", 3, extra={"rows": 3, "name_of": "ü", "level": "forged"})
        case "/two-lines": log.warning("one\\ntwo")
        case "/odd": log.info("odd", extra={"nan": float("nan"), "keys": {(1, 2): 3}, "silent": Silent()})
        case "/format": log.info("%d", "text")
        case "/surrogate": log.info("\\udc80")
        case "/long": log.info("\\x01" * 200_000, extra={"more": "x" * 100_000})
        case "/long-exception":
            try:
                raise ValueError("x" * 100_000 + "the end")
            except ValueError:
                log.exception("failed")
        case "/debug": log.debug("detail")
        case "/warning": warnings.warn("careful")
        case "/thread":
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()
"""


@pytest.fixture(scope="module")
def function(shared_functions):
    return shared_functions.start(HANDLER)


def lines(function, path):
    """The log lines of the call to `path`, without its access line."""
    call_id = path.strip("/") + "-lines"
    function.call(path, headers={"X-Call-Id": call_id})
    function.access(path)
    return [line for line in function.lines if line["callId"] == call_id and line["logger"] != "access"]


def test_a_log_line_is_json_with_the_call_id(function):
    [line] = lines(function, "/extra")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert line | {"time": "", "bytes": 0} == {
        "time": "",
        "level": "info",
        "logger": "mine",
        "message": "counted 3",
        "callId": "extra-lines",
        "rows": 3,
        "name_of": "ü",
        "bytes": 0,
    }


def test_each_call_leaves_an_access_line(function):
    function.call("/deep/path%20x?key=hidden-query", "POST", b"hidden-body", {"Authorization": "hidden-header"})
    line = function.access("/deep/path x")
    assert (line["method"], line["status"], line["level"]) == ("POST", 200, "info")
    assert 0 <= line["durationMs"] < 5000
    assert "aborted" not in line
    assert "hidden" not in str(function.lines)


def test_a_text_with_line_breaks_stays_one_line(function):
    assert [line["message"] for line in lines(function, "/two-lines")] == ["one\ntwo"]


def test_values_unknown_to_json_are_logged_as_text(function):
    [line] = lines(function, "/odd")
    assert (line["nan"], line["keys"], line["silent"]) == ("nan", "{(1, 2): 3}", "<Silent>")


def test_a_wrong_format_and_a_lone_surrogate_are_logged(function):
    assert lines(function, "/format")[0]["message"].startswith("%d")
    assert lines(function, "/surrogate")[0]["message"] == "\udc80"


def test_long_lines_are_cut(function):
    [line] = lines(function, "/long")
    assert line["truncated"] is True
    assert 1000 < line["bytes"] < 60 * 1024
    [line] = lines(function, "/long-exception")
    assert line["bytes"] < 60 * 1024
    assert line["exception"].endswith("the end")


def test_warnings_and_uncaught_exceptions_of_threads_are_logged(function):
    assert "careful" in lines(function, "/warning")[0]["message"]
    function.call("/thread")
    function.wait_line(lambda line: "ZeroDivisionError" in line.get("exception", ""))


def test_log_level_hides_lower_lines(functions, function):
    assert lines(function, "/debug") == []
    detailed = functions.start(HANDLER, LOG_LEVEL="debug")
    assert [line["message"] for line in lines(detailed, "/debug")] == ["detail"]
