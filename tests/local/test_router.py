"""The router before a small function."""

import concurrent.futures
import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.data_folder import DataFolder
from local.ready import http_ok
from local.schedule import _seconds_to_next
from tests.support.processes import running
from tests.support.waiting import eventually


class Router:
    def __init__(self, root: Path, folder: Path, stack: ExitStack) -> None:
        self.root, self.folder, self.stack = root, folder, stack
        self.ports = DataFolder(folder / "data").ports(["router", "function", "nobody"])
        routes = {
            "invoices": {"url": f"http://127.0.0.1:{self.ports['function']}", "schedule": "* * * * * *"},
            "down": {"url": f"http://127.0.0.1:{self.ports['nobody']}", "schedule": None},
        }
        (folder / "routes.json").write_text(json.dumps(routes))
        (folder / "secrets").mkdir()
        self.calls = root / "functions" / "invoices" / "calls"
        self.function = self.start_function()
        arguments = ["--port", str(self.ports["router"]), "--routes", str(folder / "routes.json")]
        with (folder / "router.log").open("wb") as log:
            self.stack.enter_context(running("-m", "local.router", *arguments, cwd=root, stderr=log))
        eventually(http_ok(f"http://127.0.0.1:{self.ports['router']}/healthz"))

    def start_function(self) -> subprocess.Popen[str]:
        own = {"HOST": "127.0.0.1", "PORT": str(self.ports["function"]), "SECRETS_DIR": str(self.folder / "secrets")}
        index = self.root / "template" / "python3-http" / "index.py"
        environment = {**os.environ, **own, "FUNCTION_DIR": str(self.calls.parent)}
        self.function = self.stack.enter_context(running(index, env=environment))
        return self.function

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["router"], timeout=10)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), content

    def made(self) -> str:
        return self.calls.read_text() if self.calls.exists() else ""


@pytest.fixture
def router(root: Path, tmp_path: Path) -> Iterator[Router]:
    with ExitStack() as stack:
        router = Router(root, tmp_path, stack)
        eventually(http_ok(f"http://127.0.0.1:{router.ports['function']}/_/ready"))
        yield router


@pytest.mark.parametrize(
    "path", ["", "/", "/a%2Fb/%20c", "/p//x/../y?z=%7B1%7D&z=+", "?a=b/c?d", "/a%0Ab", "/made/%C3%BC;v=1"]
)
def test_a_path_arrives_as_it_was_written(router: Router, path: str) -> None:
    status, _, content = router.call("GET", f"/function/invoices{path}")
    assert status == (201 if "made" in path else 200)
    assert json.loads(content)["path"] == (path if path.startswith("/") else f"/{path}")


def test_a_call_is_passed_on(router: Router) -> None:
    headers = {"Authorization": "Bearer x", "Connection": "X-Hop, close", "X_Hop": "1", "TE": "trailers"}
    status, answered, content = router.call("PUT", "/function/invoices/x", "the body", **headers)

    told = json.loads(content)
    received = {name.lower(): value for name, value in told["headers"]}
    assert (status, told["method"], told["body"]) == (200, "PUT", "the body")
    assert received["authorization"] == "Bearer x"
    assert received["content-length"] == "8"
    assert len(received["x-call-id"]) == 36
    assert not {"x-hop", "te", "transfer-encoding", "accept"} & set(received)
    assert int(answered["Content-Length"]) == len(content)


def test_a_given_call_id_is_kept(router: Router) -> None:
    told = json.loads(router.call("POST", "/function/invoices", "", X_Call_Id="mine")[2])
    assert [value for name, value in told["headers"] if name.lower() == "x-call-id"] == ["mine"]


def test_an_answer_is_streamed_as_it_comes(router: Router) -> None:
    _, _, content = router.call("POST", "/function/invoices", iter([b"one ", b"two"]))
    assert json.loads(content)["body"] == "one two"
    assert router.call("GET", "/function/invoices/../big")[0] == 200
    assert len(router.call("GET", "/function/invoices/big")[2]) == 300_000


def test_an_unknown_function_is_404_and_a_stopped_one_503(router: Router) -> None:
    assert router.call("GET", "/function/nope")[0] == 404
    assert router.call("GET", "/elsewhere")[0] == 404
    started = time.monotonic()
    status, headers, _ = router.call("GET", "/function/down")
    assert (status, headers["Retry-After"]) == (503, "1")
    assert 2.5 < time.monotonic() - started < 6


def test_a_call_waits_for_a_function_that_starts_again_but_one_cut_off_fails(router: Router) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        cut = pool.submit(router.call, "POST", "/function/invoices/slow")
        time.sleep(0.3)  # the call is in the function now, as far as one can know from here
        router.function.kill()
        router.function.wait()
        assert cut.result()[0] == 502
        waiting = pool.submit(router.call, "POST", "/function/invoices", "kept")
        router.start_function()
        assert json.loads(waiting.result()[2])["body"] == "kept"


def test_a_call_goes_on_when_its_caller_hangs_up_as_a_kicker_does(router: Router) -> None:
    with socket.create_connection(("127.0.0.1", router.ports["router"])) as caller:
        caller.sendall(b"POST /function/invoices/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nkick")
        eventually(lambda: "begun POST /slow" in router.made())
    eventually(lambda: "POST /slow kick\n" in router.made())


def test_functions_are_called_on_schedule(router: Router) -> None:
    eventually(lambda: router.made().count("POST / \n") >= 2)
    eventually(lambda: '"message": "schedule"' in (router.folder / "router.log").read_text())
    lines = (router.folder / "router.log").read_text().splitlines()
    line = next(line for line in map(json.loads, lines) if line["message"] == "schedule")
    assert (line["function"], line["status"]) == ("invoices", 200)


def test_the_next_time_of_a_schedule_is_the_next_minute() -> None:
    now = datetime(2026, 1, 31, 23, 59, 30, tzinfo=UTC)
    assert 30 <= _seconds_to_next("* * * * *", now) < 30.1
    assert 30 <= _seconds_to_next("0 0 1 * *", now) < 30.1
