"""The listener: it hands on what it hears, with one call at a time, and begins anew when a stream ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import unquote_plus

import pytest

from mailroom.errors import InvalidSetting, Unavailable
from mailroom.events.event_stream import EventStream, NoEventStream, Record
from mailroom.events.listening import Handover, HandoverRefused, Listener, NotHandedOn, create_listener
from mailroom.events.s3_event import decode
from mailroom.platform.settings import Settings
from mailroom.services import Services
from tests.support.http_server import serving
from tests.support.waiting import eventually

GOLDEN = Path(__file__).parent / "golden" / "put.json"


def record(key: str) -> Record:
    """A record as it comes in the stream: as that of a webhook, with the key as plain text."""
    found: Record = json.loads(GOLDEN.read_text())["Records"][0]
    found["s3"]["object"]["key"] = key
    return found


class Streams:
    """Streams of events that a test makes. `end` ends the one that is open; the next one opens by itself."""

    def __init__(self) -> None:
        self.events: Queue[Record | Exception] = Queue()
        self.opened = 0

    def listen(self, opened: Callable[[], None]) -> Iterator[Record]:
        self.opened += 1
        opened()
        while True:
            event = self.events.get()
            if isinstance(event, Exception):
                raise event
            yield event


@contextmanager
def listening(streams: Streams, hand_on: Callable[[list[Record]], None]) -> Iterator[Listener]:
    listener = Listener(streams.listen, hand_on)
    listener.start()
    try:
        yield listener
    finally:
        listener.close()


def test_what_comes_during_a_call_goes_into_the_next_call() -> None:
    streams, calls, go_on = Streams(), list[list[Record]](), threading.Semaphore(0)

    def hand_on(records: list[Record]) -> None:
        calls.append(records)
        go_on.acquire()

    with listening(streams, hand_on) as listener:
        streams.events.put({"n": 0})
        eventually(lambda: calls == [[{"n": 0}]])
        for n in range(1, 251):
            streams.events.put({"n": n})
        eventually(lambda: len(listener._waiting) == 250)
        go_on.release(10)
        eventually(lambda: listener.state()["body"]["handedOn"] == 251)
    assert [len(call) for call in calls] == [1, 100, 100, 50]
    assert [each["n"] for call in calls for each in call] == list(range(251))


def test_events_that_are_not_taken_are_left_to_the_queue_and_the_next_ones_are_handed_on() -> None:
    streams, taken = Streams(), list[Record]()
    answers = iter([NotHandedOn("503"), RuntimeError("a fault of ours"), None])

    def hand_on(records: list[Record]) -> None:
        if fault := next(answers):
            raise fault
        taken.extend(records)

    with listening(streams, hand_on) as listener:
        for n in range(3):
            streams.events.put({"n": n})
            eventually(lambda n=n: sum(listener.state()["body"][name] for name in ("handedOn", "left")) == n + 1)
        assert taken == [{"n": 2}]
        assert listener.state()["body"] == {"listening": True, "handedOn": 1, "left": 2}


@pytest.mark.parametrize("end", [Unavailable("MinIO is gone"), RuntimeError("a fault of ours")])
def test_a_stream_that_ended_is_opened_again_and_readiness_tells(end: Exception) -> None:
    streams, taken = Streams(), list[Record]()
    with listening(streams, taken.extend) as listener:
        eventually(listener.ready)
        streams.events.put(end)
        eventually(lambda: not listener.ready())
        streams.events.put({"n": 1})
        eventually(lambda: taken == [{"n": 1}])
        assert streams.opened == 2
        assert listener.ready()
    assert not listener.ready()


def test_what_was_heard_is_handed_on_before_the_end() -> None:
    streams, taken, go_on = Streams(), list[Record](), threading.Event()

    def hand_on(records: list[Record]) -> None:
        go_on.wait()
        taken.extend(records)

    with listening(streams, hand_on) as listener:
        for n in range(3):
            streams.events.put({"n": n})
        eventually(streams.events.empty)
        threading.Timer(0.1, go_on.set).start()
        listener.close()
        assert [each["n"] for each in taken] == [0, 1, 2]


@pytest.mark.parametrize("key", ["may.csv", "in/größe 1+1.csv", "100%25.csv", "a&b=c?d#e.csv", "a%zz+ .csv"])
def test_a_record_of_the_stream_is_understood_as_that_of_the_webhook_is(key: str) -> None:
    bodies: list[bytes] = []

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        assert request.headers["Authorization"] == "Bearer the new one"
        bodies.append(request.rfile.read(int(request.headers["Content-Length"])))
        return 200, {}, b"{}"

    with serving(answer) as server:
        Handover(f"http://{server}/", lambda: "the new one\nold\n")([record(key)])
    (version,) = decode(bodies[0], "invoices")
    assert version.key == key  # type: ignore[union-attr]
    webhook = json.loads(GOLDEN.read_text())
    (expected,) = decode(json.dumps(webhook).encode(), "invoices")
    assert unquote_plus(webhook["Records"][0]["s3"]["object"]["key"]) == expected.key  # type: ignore[union-attr]
    assert version.version_id == expected.version_id  # type: ignore[union-attr]
    assert version.modified_ms == expected.modified_ms  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("status", "kind"), [(401, HandoverRefused), (404, HandoverRefused), (429, NotHandedOn), (503, NotHandedOn)]
)
def test_it_is_told_what_invoice_events_does_not_take_and_whether_that_will_last(
    status: int, kind: type[NotHandedOn]
) -> None:
    with (
        serving(lambda _: (status, {}, b"")) as server,
        pytest.raises(NotHandedOn, match=f"answers {status}") as raised,
    ):
        Handover(f"http://{server}/", lambda: "token")([record("may.csv")])
    assert raised.type is kind


def test_it_is_not_ready_while_its_calls_are_refused() -> None:
    streams = Streams()
    faults = iter([NotHandedOn("503"), HandoverRefused("401"), None])

    def hand_on(_: list[Record]) -> None:
        if fault := next(faults):
            raise fault

    with listening(streams, hand_on) as listener:
        eventually(listener.ready)
        for done, ready in enumerate((True, False, True), start=1):
            streams.events.put({})
            eventually(lambda done=done: sum(listener.state()["body"][name] for name in ("handedOn", "left")) == done)
            eventually(lambda ready=ready: listener.ready() == ready)


def test_a_server_without_such_a_stream_is_told_apart(make_keys: Callable[[], tuple[str, str]]) -> None:
    """SeaweedFS, for one, takes the question for a listing of the bucket."""
    asked = []

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        asked.append(request.path)
        return 200, {"Content-Type": "application/xml"}, b"<ListBucketResult/>"

    with serving(answer) as server, pytest.raises(NoEventStream, match="only MinIO"):
        next(EventStream(f"http://{server}", "us-east-1", make_keys, 2.0, "invoices").listen(lambda: None))
    assert len(asked) == 1


def test_a_stream_that_the_server_ends_is_not_begun_anew_in_secret(make_keys: Callable[[], tuple[str, str]]) -> None:
    opened, asked = [], []

    def answer(request: Any) -> tuple[int, dict[str, str], bytes]:
        asked.append(request.path)
        return 200, {"Content-Type": "text/event-stream"}, b'  {"Records": [{"n": 1}]}\n {"Records": [{"n": 2}]}\n   '

    with serving(answer) as server:
        stream = EventStream(f"http://{server}", "us-east-1", make_keys, 2.0, "invoices")
        events = stream.listen(lambda: opened.append(True))
        assert [next(events), next(events)] == [{"n": 1}, {"n": 2}]
        with pytest.raises(Unavailable):
            next(events)
    assert (len(opened), len(asked)) == (1, 1)
    assert "events=s3%3AObjectCreated%3APut" in asked[0]


@pytest.fixture
def make_keys() -> Callable[[], tuple[str, str]]:
    return lambda: ("user", "a secret of the tests")  # pragma: allowlist secret


def test_with_events_poll_there_is_nothing_to_listen_to() -> None:
    with pytest.raises(InvalidSetting, match="EVENTS is 'poll'"):
        create_listener(Services(Settings(events="poll")))
