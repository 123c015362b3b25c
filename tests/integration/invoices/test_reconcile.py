"""Objects without an event: the walk through the bucket finds them, soon if the walk is short."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import pytest
from bson import ObjectId
from msgspec.structs import replace

from mailroom.invoices import worker as working
from mailroom.invoices.imports.reconcile import CURSOR_ID
from mailroom.platform import version_pages
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import server_time
from tests.integration.invoices.files import LONG_AGO, Bucket, a_minute_later, csv, line


@pytest.fixture
def later() -> Iterator[None]:
    with a_minute_later():
        yield


@dataclass
class Clock:
    """A clock that moves on by a step each time it is read."""

    step: float
    now: float = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def upload(bucket: Bucket, files: int) -> None:
    """Uploads without events."""
    for n in range(files):
        bucket.put(f"{n}.csv", csv(line(n)))


def seconds_until_the_next(bucket: Bucket) -> float:
    database = bucket.services.database
    due: datetime = database["cursors"].find_one({"_id": CURSOR_ID})["dueAt"]  # type: ignore[index]
    return (due - server_time(database)).total_seconds()


def test_lost_notifications_are_found(bucket: Bucket):
    upload(bucket, 5)
    bucket.run()
    assert bucket.invoices() == []

    bucket.compare()

    assert len(bucket.invoices()) == 5
    assert bucket.run()["body"] == {"done": 0}


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(("step", "expected"), [(0.001, 50), (5, 1000), (100, 3600)])
def test_a_bucket_that_is_quickly_compared_is_compared_again_soon(bucket: Bucket, step: float, expected: float):
    bucket.put("may.csv", csv(line(1)))
    bucket.reconcile_at(LONG_AGO)
    walk = replace(working._reconciler(bucket.services), clock=Clock(step))
    assert walk.run(Budget(60)) == 1
    assert seconds_until_the_next(bucket) == pytest.approx(expected, abs=5)
    assert walk.run(Budget(60)) == 0


@pytest.mark.usefixtures("later")
def test_a_walk_in_several_slices_counts_them_all(bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    upload(bucket, 5)
    monkeypatch.setattr(version_pages, "_KEYS_AT_ONCE", 2)
    bucket.reconcile_at(LONG_AGO)
    walk = replace(working._reconciler(bucket.services), clock=Clock(1))
    assert [walk.run(Budget(0)) for _ in range(4)] == [2, 2, 1, 0]
    # One reading of the clock for each of three pages, and one at the end.
    assert seconds_until_the_next(bucket) == pytest.approx(400, abs=5)


@pytest.mark.minio
@pytest.mark.usefixtures("later")
def test_a_walk_that_goes_on_within_a_folder_finds_all_that_follows(bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    """MinIO ends a listing too soon that begins within `may/`, if 1,100 names such as `may-1.csv` are beside it."""
    names = [f"may-{n:04}.csv" for n in range(1100)] + [f"may/{n:02}.csv" for n in range(9)]
    names += ["may/a.csv", "may/a/1.csv", "may/a/2.csv", "may/a0", "may/a0.csv", "may/b.csv"]
    names += ["may0", "may0.csv", "z.csv"]
    with ThreadPoolExecutor(4) as uploads:
        list(uploads.map(lambda name: bucket.put(name, b"x"), names))
    monkeypatch.setattr(version_pages, "_KEYS_AT_ONCE", 221)  # the fifth slice ends at may/04.csv
    bucket.reconcile_at(LONG_AGO)
    walk = working._reconciler(bucket.services)
    found = sum(walk.run(Budget(0)) for _ in range(5))
    monkeypatch.setattr(version_pages, "_KEYS_AT_ONCE", 1)
    while seconds_until_the_next(bucket) < 0:
        found += walk.run(Budget(0))
    assert set(names) - set(bucket.services.database["imports"].distinct("key")) == set()
    assert found == len(names)


def test_a_notification_has_a_minute_to_come(bucket: Bucket, caplog: pytest.LogCaptureFixture):
    bucket.put("may.csv", csv(line(1)))
    bucket.reconcile_at(LONG_AGO)
    assert working._reconciler(bucket.services).run(Budget(60)) == 0
    bucket.reconcile_at(LONG_AGO)
    with a_minute_later():
        assert working._reconciler(bucket.services).run(Budget(60)) == 1
    assert caplog.messages == ["found 1 objects whose notification did not come within a minute"]


@pytest.mark.usefixtures("later")
def test_a_slice_after_the_end_of_the_walk_changes_nothing(bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    upload(bucket, 3)
    monkeypatch.setattr(version_pages, "_KEYS_AT_ONCE", 1)
    bucket.reconcile_at(LONG_AGO)
    slow = working._reconciler(bucket.services)

    def known(ids: list[ObjectId]) -> set[ObjectId]:
        """The state after another worker has reached the end."""
        assert working._reconciler(bucket.services).run(Budget(60)) == 3
        return bucket.ledger.known(ids)

    monkeypatch.setattr(slow.ledger, "known", known)
    assert slow.run(Budget(0)) == 0
    cursor = bucket.services.database["cursors"].find_one({"_id": CURSOR_ID})
    assert cursor
    assert cursor["startAfter"] == ""
    assert seconds_until_the_next(bucket) == pytest.approx(50, abs=5)
