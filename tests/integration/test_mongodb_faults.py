"""MongoDB fails over or gives up a command: callers are told to come again, and no work is lost."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from mailroom.invoices import worker as working
from mailroom.platform.mongo import server_time
from mailroom.services import Services
from tests.integration.conftest import document
from tests.integration.invoices.files import Bucket, counts, csv, line
from tests.support.client import Answer, Client
from tests.support.mongo_proxy import Command, MongoProxy, Reply, failure
from tests.support.slow import others_slow
from tests.support.waiting import eventually

CURSOR_NOT_FOUND, STEPPED_DOWN = 43, 11602
READ_CONCERN_NOT_AVAILABLE = 134


@pytest.fixture
def client(make_client: Callable[..., Client], mongo_proxy: MongoProxy) -> Client:
    return make_client(mongodb_secret="by-proxy", mongodb_timeout_seconds=10.0)  # pragma: allowlist secret


def failing(name: str, code: int) -> Callable[[Command], Reply | None]:
    """Answers each command of this name with an error."""
    return lambda command: failure(code) if name in command else None


@pytest.mark.parametrize("code", [CURSOR_NOT_FOUND, STEPPED_DOWN, READ_CONCERN_NOT_AVAILABLE])
def test_a_list_that_mongodb_cannot_read_now_is_503(client: Client, mongo_proxy: MongoProxy, code: int) -> None:
    assert client.get("/").status == 200
    mongo_proxy.intercept = failing("find", code)
    answer = client.get("/")
    assert (answer.status, answer.json()["code"]) == (503, "service.unavailable")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("code", others_slow([CURSOR_NOT_FOUND, STEPPED_DOWN], CURSOR_NOT_FOUND))
def test_an_export_that_loses_its_cursor_says_where_to_go_on(
    client: Client, put: Callable[..., list[str]], mongo_proxy: MongoProxy, code: int
) -> None:
    put(*(document(f"A{number:04}") for number in range(1500)))
    mongo_proxy.intercept = failing("getMore", code)

    *first, end = map(json.loads, client.get("/export", format="ndjson").body.splitlines())
    assert len(first) >= 1000

    # The driver now waits for a sign of life of the server. A real one gives it at once, this one within ten seconds.
    def go_on() -> Answer | None:
        answer = client.get("/export", format="ndjson", cursor=end["nextCursor"])
        return answer if answer.status == 200 else None

    *rest, last = map(json.loads, eventually(go_on).body.splitlines())

    assert last == {"nextCursor": None}
    assert sorted(each["invoiceNumber"] for each in first + rest) == [f"A{number:04}" for number in range(1500)]


def test_an_export_that_cannot_begin_is_503(client: Client, mongo_proxy: MongoProxy) -> None:
    mongo_proxy.intercept = failing("find", CURSOR_NOT_FOUND)
    assert client.get("/export").status == 503


def test_an_import_goes_on_after_a_step_down_in_the_middle_of_a_write(
    services: Services,
    make_services: Callable[..., Services],
    mongo_proxy: MongoProxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bucket = Bucket(services)
    import_id = bucket.submit("may.csv", csv(*(line(number) for number in range(20))))
    refused = 0

    def step_down(command: Command) -> Reply | None:
        """Refuses each document of the first write, as an unordered write reports it."""
        nonlocal refused
        if command.get("insert") != "invoices" or refused:
            return None
        refused = len(command["documents"])
        errors = [{"index": at, "code": STEPPED_DOWN, "errmsg": "stepped down"} for at in range(refused)]
        return {"ok": 1.0, "n": 0, "writeErrors": errors}

    mongo_proxy.intercept = step_down
    run = working.create_worker(make_services(mongodb_secret="by-proxy"))

    assert run()["statusCode"] == 503
    assert refused == 20
    assert "stepped down" in caplog.text
    assert "Acme" not in caplog.text
    eventually(lambda: run()["statusCode"] == 200 and bucket.job(import_id)["state"] == "done")
    job = bucket.job(import_id)
    assert counts(job) == (20, 20, 0, 0, 0, 0)


class StaleConnection:
    """Ends the connection that brings the command `name`, the first time: so a stale one of the pool behaves."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.cut = False

    def __call__(self, command: Command) -> Reply | None:
        if self._name in command and "lsid" in command and not self.cut:  # no command of the driver's own
            self.cut = True
            raise ConnectionResetError
        return None


@pytest.mark.parametrize(("name", "path"), [("find", "/"), ("ping", "/totals")])
def test_the_first_call_after_a_fail_over_is_answered(
    client: Client, mongo_proxy: MongoProxy, name: str, path: str
) -> None:
    stale = mongo_proxy.intercept = StaleConnection(name)
    assert client.get(path, **({"by": "status"} if path == "/totals" else {})).status == 200
    assert stale.cut


def test_the_clock_is_read_after_a_fail_over(make_services: Callable[..., Services], mongo_proxy: MongoProxy) -> None:
    stale = mongo_proxy.intercept = StaleConnection("hello")
    assert server_time(make_services(mongodb_secret="by-proxy").database)  # pragma: allowlist secret
    assert stale.cut


def test_a_server_that_stays_away_is_503(client: Client, mongo_proxy: MongoProxy) -> None:
    def cut(command: Command) -> Reply | None:
        raise ConnectionResetError

    mongo_proxy.intercept = cut
    assert client.get("/").status == 503
