"""Metrics of a function's work, for Prometheus: read from the servers, so that each replica tells the same.

The client library of Prometheus is imported when the metrics are first read, so that no start waits for it.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace
from pymongo import IndexModel
from pymongo.database import Database

import mailroom
from mailroom.platform import backup_record
from mailroom.platform.mongo import Document
from mailroom.platform.secrets import Secrets
from mailroom.platform.settings import Settings
from mailroom.platform.setup_note import SETUP_ID, is_outdated, note_of
from mailroom.platform.worker_calls import called_at

if TYPE_CHECKING:
    from prometheus_client.core import Metric

log = logging.getLogger(__name__)

# How long a reading is shown. Prometheus asks each replica about as often.
_GOOD_SECONDS = 15.0

# How long the page waits for the servers. Prometheus gives a page ten seconds.
_WAIT_SECONDS = 8.0

MOST_READ = 2000
"""Documents that figures of the last hour or day are made of: the newest ones."""


class Gauge(msgspec.Struct, frozen=True):
    """A metric and its values by the values of its labels. A `counter` counts from the start of the process."""

    name: str
    text: str
    values: Mapping[tuple[str, ...], float]
    labels: tuple[str, ...] = ()
    counter: bool = False

    def family(self) -> Metric:
        """The metric in the form of the client library."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        kind = CounterMetricFamily if self.counter else GaugeMetricFamily
        made: Any = kind(self.name, self.text, labels=self.labels)
        for labels, value in self.values.items():
            made.add_metric(labels, value)
        return made  # type: ignore[no-any-return]


def gauge(name: str, text: str, value: float) -> Gauge:
    """A metric with one value."""
    return Gauge(name, text, {(): value})


def gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Gauge:
    """A metric with a value for each value of a label."""
    return Gauge(name, text, {(key,): value for key, value in values.items()}, (label,))


class Part(msgspec.Struct, frozen=True):
    """What a server tells. `read` may block, and raises what it likes: then the part is down.

    Parts of one name are shown as one, which is down if one of them is.
    """

    name: str
    read: Callable[[], Iterable[Gauge]]


class Metrics:
    """Everything that a function tells. Thread-safe."""

    def __init__(self, own: Callable[[], Iterable[Gauge]], parts: Sequence[Part] = ()) -> None:
        """`own` reads no server."""
        self._own = own
        self._parts = [_Reading(part) for part in parts]

    def collect(self) -> Iterator[Metric]:
        """Blocks for at most `_WAIT_SECONDS`. What a server has not told by then is missing, and its part is down."""
        for part in self._parts:
            part.refresh()
        end = time.monotonic() + _WAIT_SECONDS
        found = [(part.name, part.result(end)) for part in self._parts]
        up: dict[str, float] = {}
        for name, told in found:
            up[name] = min(up.get(name, 1.0), float(told is not None))
        shown = list(self._own())
        if up:
            text = "Whether the metrics of this part could be read just now: 1 or 0."
            shown.append(gauges("mailroom_metrics_up", text, "part", up))
        for _, told in found:
            shown += told or ()
        yield from (each.family() for each in _merged(shown))


def _merged(shown: Iterable[Gauge]) -> Iterable[Gauge]:
    """One metric for each name: the format of Prometheus allows no second one."""
    merged: dict[str, Gauge] = {}
    for each in shown:
        before = merged.get(each.name)
        merged[each.name] = each if before is None else replace(before, values={**before.values, **each.values})
    return merged.values()


class _Reading:
    """A part, and what it told last. It is read in a thread of its own: a server that hangs holds up no page."""

    def __init__(self, part: Part) -> None:
        self.name = part.name
        self._read = part.read
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._told: list[Gauge] | None = None
        self._read_at = -_GOOD_SECONDS

    def refresh(self) -> None:
        """Begins to read the part anew, if that is due and has not begun."""
        with self._lock:
            if self._thread is None and time.monotonic() - self._read_at >= _GOOD_SECONDS:
                self._thread = threading.Thread(target=self._run, name=f"metrics-{self.name}", daemon=True)
                self._thread.start()

    def result(self, end: float) -> list[Gauge] | None:
        """What the part tells, waited for until `end`; None if it failed, or has not answered by then."""
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, end - time.monotonic()))
        with self._lock:
            return None if self._thread is not None else self._told

    def _run(self) -> None:
        told = None
        try:
            told = list(self._read())
        except Exception as error:
            # Once every 15 s while a server is down, so without its traceback.
            log.warning("the metrics of %s cannot be read: %s: %s", self.name, type(error).__name__, error)
        with self._lock:
            self._told, self._read_at, self._thread = told, time.monotonic(), None


def general(settings: Settings, secrets: Secrets, needed: Iterable[str]) -> list[Gauge]:
    """What every function tells: which code runs, and which of the secrets it needs have no file or an empty one."""
    missing = {name: float(not secrets.read_optional(name)) for name in {settings.mongodb_secret, *needed}}
    labels, text = ("version", "revision"), "The version and the revision that run."
    return [
        Gauge("mailroom_build_info", text, {(mailroom.__version__, settings.revision): 1.0}, labels),
        gauges("mailroom_secret_missing", "Whether a secret that is needed is missing: 1 or 0.", "name", missing),
    ]


def worker(database: Database[Document], function: str, wanted: Mapping[str, list[IndexModel]]) -> Iterator[Gauge]:
    """What every worker tells. `wanted` are the indexes that its queries need. Errors are the driver's."""
    called = called_at(database["workers"], function)
    if called is not None:
        text = "When a worker of this function last began a call."
        yield gauge("mailroom_worker_last_called_timestamp_seconds", text, called.timestamp())
    text = "Whether set-up was last run by an older version: 1 or 0."
    yield gauge("mailroom_setup_outdated", text, is_outdated(note_of(database["workers"].find_one(SETUP_ID)), wanted))


def backups(database: Database[Document]) -> Iterator[Gauge]:
    """When backups were made and checked. Errors are the driver's."""
    check = backup_record.newest_check(database)
    ended = {part: at.timestamp() for part, at in backup_record.successes(database).items()}
    text = "End of the newest backup."
    yield gauges("mailroom_backup_last_success_timestamp_seconds", text, "part", ended)
    if first := backup_record.first_success(database):
        text = "End of the first backup."
        yield gauge("mailroom_backup_first_success_timestamp_seconds", text, first.timestamp())
    if check:
        text = "End of the newest check of a backup."
        yield gauge("mailroom_backup_last_check_timestamp_seconds", text, check["checkedAt"].timestamp())
        text = "Files and objects that the newest check found damaged."
        yield gauge("mailroom_backup_last_check_damaged", text, check["damaged"])


def seconds_since(document: Document | None, field: str, now: datetime) -> float:
    """0 without a document."""
    return max(0.0, (now - document[field]).total_seconds()) if document else 0.0


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """The quantiles 0.5, 0.95 and 1 by their names; none without values. A negative value counts as 0."""
    ordered = sorted(values)
    return {
        f"{share:g}": max(0.0, ordered[math.ceil(share * len(ordered)) - 1])
        for share in ((0.5, 0.95, 1.0) if ordered else ())
    }
