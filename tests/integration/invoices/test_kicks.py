"""Few kicks for many uploads, and none too few: nothing here calls the importer but kicks."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mailroom.deploy import setup
from mailroom.invoices import worker as working
from mailroom.invoices.imports.ledger import PENDING, RUNNING, Ledger
from mailroom.platform import kick_marks
from mailroom.platform.kick import IMPORTER, SENDER, Kicker
from mailroom.platform.kick_marks import KickMarks
from mailroom.platform.objects import ObjectVersion
from mailroom.services import Services
from tests.integration.invoices.files import Bucket, csv, line
from tests.integration.invoices.test_events import notification, record
from tests.support.ports import free_port
from tests.support.waiting import eventually

Called = Callable[[], int]


class Gateway:
    """Calls the importer: at once, or behind a queue that lets one call through at a time, as OpenFaaS' does."""

    def __init__(self, *, queued: bool) -> None:
        self.kicks: list[str] = []
        self.longest_queue = 0
        self.called: Called = lambda: 200
        self._queue: queue.Queue[str] = queue.Queue()
        self._calls = 0
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(gateway.take(self.path.strip("/"), queued=queued))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/{{function}}"
        for work in (self._server.serve_forever, self._run):
            threading.Thread(target=work, daemon=True).start()

    def take(self, function: str, *, queued: bool) -> int:
        self.kicks.append(function)
        if not queued:
            return self._call()
        self._queue.put(function)
        self.longest_queue = max(self.longest_queue, self._queue.qsize())
        return 202

    def _run(self) -> None:
        while True:
            self._queue.get()
            self._call()

    def _call(self) -> int:
        self._calls += 1
        try:
            return self.called()
        finally:
            self._calls -= 1

    def end_calls(self) -> None:
        """Calls nobody any more, and waits for the calls that have begun."""
        self.called = lambda: 200
        eventually(lambda: not self._calls)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(params=[True, False], ids=["queued", "direct"])
def gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    gateway = Gateway(queued=request.param)
    yield gateway
    gateway.close()


@pytest.fixture
def bucket(gateway: Gateway, make_services: Callable[..., Services]) -> Iterator[Bucket]:
    """A bucket whose importer the gateway calls."""
    services = make_services(kick_url=gateway.url)
    setup.run(services, lambda line: None)
    bucket = Bucket(services)
    worker = working.create_worker(services)
    gateway.called = lambda: int(worker()["statusCode"])
    yield bucket
    gateway.end_calls()


def submit(bucket: Bucket, number: object) -> None:
    """Writes the job of an object that does not exist, and kicks."""
    bucket.ledger.submit(ObjectVersion(bucket.name, f"{number}.csv", "", "e", 5, 1))
    bucket.services.kicker.kick(IMPORTER)


def waiting(bucket: Bucket) -> int:
    return bucket.services.database["imports"].count_documents({"state": {"$in": [PENDING, RUNNING]}})


def wait_for_all(bucket: Bucket) -> None:
    eventually(lambda: waiting(bucket) == 0, 20, "the end of all imports")


def test_many_events_are_one_kick_while_it_is_on_its_way(bucket: Bucket, gateway: Gateway):
    go_on, called = threading.Event(), gateway.called

    def late() -> int:
        assert go_on.wait(60)
        return called()

    gateway.called = late
    for n in range(60):
        assert bucket.webhook(notification(bucket, record(key=f"{n}.csv")))["statusCode"] == 200
    eventually(lambda: not bucket.services.kicker._wanted)
    assert gateway.kicks == [IMPORTER]
    go_on.set()
    wait_for_all(bucket)
    assert bucket.services.database["imports"].count_documents({}) == 60
    assert gateway.longest_queue <= 1


def test_a_real_upload_is_imported_by_its_kick(bucket: Bucket, gateway: Gateway):
    bucket.submit("may.csv", csv(line(1)))
    bucket.services.kicker.kick(IMPORTER)
    wait_for_all(bucket)
    assert len(bucket.invoices()) == 1
    eventually(lambda: gateway.kicks == [IMPORTER])


@pytest.mark.parametrize("moment", ["before the last look", "in the last look", "after the last look"])
def test_a_file_that_comes_as_a_worker_ends_is_imported_at_once(
    bucket: Bucket, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, moment: str
):
    decided, comes = threading.Event(), threading.Event()
    claim, last_look = Ledger.claim, kick_marks.WorkerMarks.looks_for_the_last_time
    begin_kick = KickMarks.begin_kick

    def come() -> None:
        """A file comes, once, and its kick has been decided on."""
        if not comes.is_set():
            comes.set()
            decided.clear()
            submit(bucket, "late")
            assert decided.wait(10)

    def claiming(ledger):
        job = claim(ledger)
        if job is None and moment == "before the last look":
            come()
        return job

    def looking(marks):
        marked = last_look(marks)
        if moment == ("in the last look" if marked else "after the last look"):
            come()
        return marked

    def kicking(marks, function, *, help_):
        mark = begin_kick(marks, function, help_=help_)
        decided.set()
        return mark

    monkeypatch.setattr(Ledger, "claim", claiming)
    monkeypatch.setattr(kick_marks.WorkerMarks, "looks_for_the_last_time", looking)
    monkeypatch.setattr(KickMarks, "begin_kick", kicking)
    submit(bucket, "first")

    eventually(lambda: bucket.services.database["imports"].count_documents({}) == 2, 20)
    wait_for_all(bucket)


def test_files_that_come_at_any_time_are_all_imported_without_the_schedule(bucket: Bucket):
    choose = random.Random(7)
    waits = [[choose.expovariate(1 / 0.05) for _ in range(25)] for _ in range(4)]

    def arrive(thread: int) -> None:
        for n, seconds in enumerate(waits[thread]):
            time.sleep(seconds)  # files come when they come
            submit(bucket, f"{thread}-{n}")

    threads = [threading.Thread(target=arrive, args=(each,)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    wait_for_all(bucket)
    assert bucket.services.database["imports"].count_documents({}) == 100


def test_a_kick_that_is_lost_costs_waiting_and_nothing_else(
    bucket: Bucket, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
):
    gateway.called = lambda: 200  # nobody comes
    submit(bucket, 1)
    eventually(lambda: len(gateway.kicks) == 1)
    bucket.run()  # the schedule
    assert waiting(bucket) == 0

    monkeypatch.setattr(kick_marks, "_ON_ITS_WAY", kick_marks._ON_ITS_WAY * 0)
    submit(bucket, 2)
    eventually(lambda: len(gateway.kicks) == 2)  # the call of the schedule has taken the first mark away
    submit(bucket, 3)
    eventually(lambda: len(gateway.kicks) == 3)  # the mark has expired


@pytest.mark.parametrize("gateway", [False], indirect=True)
def test_a_kick_that_fails_does_not_stop_the_next(bucket: Bucket, gateway: Gateway):
    unreachable = Kicker(f"http://127.0.0.1:{free_port()}/{{function}}", bucket.services._kick_marks)
    unreachable.kick(IMPORTER)
    unreachable.close()
    gateway.called = lambda: 503
    for n in range(3):
        submit(bucket, n)
        eventually(lambda n=n: len(gateway.kicks) == n + 1)


@pytest.mark.parametrize("gateway", [False], indirect=True)
def test_a_kick_of_one_worker_spares_none_of_another(bucket: Bucket, gateway: Gateway):
    gateway.called = lambda: 200
    for function in (IMPORTER, SENDER, IMPORTER, SENDER):
        bucket.services.kicker.kick(function)
    eventually(lambda: sorted(gateway.kicks) == [IMPORTER, SENDER])


@pytest.mark.parametrize("gateway", [False], indirect=True)
def test_a_worker_at_work_calls_help_but_spares_kicks(bucket: Bucket, gateway: Gateway):
    gateway.called = lambda: 200
    kicker, marks = bucket.services.kicker, bucket.services.worker_marks(IMPORTER)
    kicker.kick(IMPORTER)
    eventually(lambda: len(gateway.kicks) == 1)
    marks.call_begins()
    marks.will_look_again()
    kicker.kick(IMPORTER)
    kicker.call_help(IMPORTER)
    eventually(lambda: len(gateway.kicks) == 2)
    marks.call_begins()
    kicker.kick(IMPORTER)
    assert marks.looks_for_the_last_time()
    kicker.kick(IMPORTER)
    eventually(lambda: len(gateway.kicks) == 3)
