"""The metrics of a function: read at most once in a while, and shown whatever a server does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from mailroom.platform import metrics
from mailroom.platform.disks import disk
from mailroom.platform.metrics import Gauge, Metrics, Part, gauge, quantiles
from mailroom.platform.minio_metrics import events_waiting, started_at
from mailroom.platform.secrets import Secrets
from mailroom.platform.settings import Settings

PAGE = """# HELP minio_notify_target_queue_length Number of events currently staged
# TYPE minio_notify_target_queue_length gauge
minio_notify_target_queue_length{server="a:9000",target_id="OTHER",target_name="webhook"} 9
minio_notify_target_queue_length{server="a:9000",target_id="MAILROOM",target_name="webhook"} 3
minio_process_start_time_seconds{server="a:9000"} 1.7e+09
"""


def shown(metrics: Metrics) -> dict[str, float]:
    """The values by the names of the samples; labels are joined."""
    return {
        ".".join((sample.name, *sample.labels.values())): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }


def counting(read: Callable[[], Iterable[Gauge]] = lambda: [gauge("a", "A.", 1)]) -> tuple[list[int], Part]:
    calls: list[int] = []

    def count() -> Iterable[Gauge]:
        calls.append(1)
        return read()

    return calls, Part("mongodb", count)


def test_a_part_is_read_at_most_once_in_fifteen_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(metrics.time, "monotonic", lambda: now[0])
    calls, part = counting()
    tested = Metrics(list, [part])
    for _ in range(3):
        assert shown(tested) == {"a": 1.0, "mailroom_metrics_up.mongodb": 1.0}
    now[0] += 15
    shown(tested)
    assert len(calls) == 2


def test_what_fails_is_missing_and_its_part_is_down() -> None:
    def fail() -> Iterable[Gauge]:
        raise OSError("refused")

    tested = Metrics(lambda: [gauge("own", "Own.", 2)], [Part("s3", fail), counting()[1], Part("mongodb", fail)])
    expected = {"own": 2.0, "a": 1.0, "mailroom_metrics_up.s3": 0.0, "mailroom_metrics_up.mongodb": 0.0}
    assert shown(tested) == expected


def test_a_server_that_hangs_holds_up_neither_the_page_nor_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_WAIT_SECONDS", 0.05)
    goes_on = threading.Event()

    def hang() -> Iterable[Gauge]:
        goes_on.wait(60)
        return [gauge("late", "Late.", 1)]

    calls, part = counting(hang)
    tested = Metrics(list, [part, Part("s3", lambda: [gauge("a", "A.", 1)])])
    for _ in range(2):
        assert shown(tested) == {"a": 1.0, "mailroom_metrics_up.mongodb": 0.0, "mailroom_metrics_up.s3": 1.0}
    assert len(calls) == 1  # it is not asked again meanwhile
    goes_on.set()
    for thread in threading.enumerate():
        if thread.name == "metrics-mongodb":
            thread.join()
    assert shown(tested)["late"] == 1.0


def test_two_parts_that_tell_one_metric_tell_it_once() -> None:
    """The text format of Prometheus allows no second HELP or TYPE of a metric."""
    tested = Metrics(list, [Part(name, lambda name=name: disk(name, (1.0, 2.0))) for name in ("mongodb", "s3")])
    families = [family.name for family in tested.collect()]
    assert families == ["mailroom_metrics_up", "mailroom_disk_free_bytes", "mailroom_disk_size_bytes"]
    values = shown(tested)
    assert [values[f"mailroom_disk_free_bytes.{server}"] for server in ("mongodb", "s3")] == [1.0, 1.0]


def test_a_secret_that_is_needed_and_empty_is_told(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    (tmp_path / "empty").write_text("\n")
    settings = Settings(mongodb_secret="uri", revision="abc")
    tested = Metrics(lambda: metrics.general(settings, Secrets(tmp_path), ("there", "empty")))
    values = shown(tested)
    found = {name: values[f"mailroom_secret_missing.{name}"] for name in ("uri", "there", "empty")}
    assert found == {"uri": 1.0, "there": 0.0, "empty": 1.0}
    assert [name for name in values if name.startswith("mailroom_build_info") and name.endswith(".abc")]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], {}),
        ([3.0], {"0.5": 3.0, "0.95": 3.0, "1": 3.0}),
        ([float(each) for each in range(100, 0, -1)], {"0.5": 50.0, "0.95": 95.0, "1": 100.0}),
        ([-1.0], {"0.5": 0.0, "0.95": 0.0, "1": 0.0}),  # two clocks
    ],
)
def test_quantiles(values: list[float], expected: dict[str, float]) -> None:
    assert quantiles(values) == expected


def test_what_minio_tells() -> None:
    assert started_at(PAGE) == 1.7e9
    assert events_waiting(PAGE, "arn:minio:sqs::MAILROOM:webhook") == 3
    assert events_waiting(PAGE, "arn:minio:sqs::NONE:webhook") is None
    assert (started_at(""), events_waiting("", "arn:minio:sqs::MAILROOM:webhook"), events_waiting(PAGE, "")) == (
        None,
    ) * 3
