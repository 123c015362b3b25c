"""What lists know of where the invoices lie: kept for a minute, renewed beside the calls, never a reason to fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from bson import ObjectId
from msgspec.structs import replace
from pymongo.errors import AutoReconnect

from mailroom.errors import NotSetUp
from mailroom.invoices.views.lists import Queries
from mailroom.invoices.views.outline import Outline, Outlines
from mailroom.services import Services
from tests.integration.api.conftest import CREATED, document


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def newer_than(old: Outline, outlines: Outlines) -> Outline:
    """The next outline, once it is there."""
    deadline = time.monotonic() + 30
    while (found := outlines.newest()) is old:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_an_old_one_serves_until_the_next_is_read(indexed: Services, put: Callable[..., list[str]]):
    put(*(document(str(number)) for number in range(3)))
    outlines = Outlines(indexed.database["invoices"], clock := Clock())
    first = outlines.newest()
    put(*(document(str(number), status="paid") for number in range(3, 10)))

    clock.now = 50
    assert outlines.newest() is first
    clock.now = 70
    assert outlines.newest() is first
    second = newer_than(first, outlines)

    assert (first.size, second.size) == (3, 10)
    assert second.share(("status:paid",)) == pytest.approx(0.7, abs=0.15)
    assert second.share(("supplier:acme gmbh", "status:open")) == pytest.approx(0.3, abs=0.15)


def test_those_who_ask_first_at_once_get_the_same(indexed: Services, put: Callable[..., list[str]]):
    put(*(document(str(number)) for number in range(10)))
    outlines, barrier = Outlines(indexed.database["invoices"]), threading.Barrier(8)

    def ask() -> Outline:
        barrier.wait(30)
        return outlines.newest()

    with ThreadPoolExecutor(8) as pool:
        found = {id(one.result()) for one in [pool.submit(ask) for _ in range(8)]}
    assert len(found) == 1


def test_days_without_invoices_among_days_with_many_are_known(indexed: Services, put: Callable[..., list[str]]):
    weekdays = [day for day in range(1, 27) if day % 7 not in (6, 0)]
    put(*(document(f"{day} {n}", day=f"2024-01-{day:02}") for day in weekdays for n in range(10 + day % 3)))
    stops = Outlines(indexed.database["invoices"]).newest().stops["invoiceDate"]
    weights = {stop.value.day: stop.weight for stop in stops}
    assert all(weights[day] == pytest.approx(11, rel=0.1) for day in weekdays)
    assert sum(weights[day] for day in range(1, 27) if day not in weekdays) == 0


def test_where_those_with_one_status_lie_is_known(indexed: Services, put: Callable[..., list[str]]):
    days = [f"2024-{month:02}-{day:02}" for month in range(1, 5) for day in range(1, 29)]
    new = days[-10:]
    put(*(document(f"{day} {n}", day=day, status="open" if day in new else "paid") for day in days for n in range(5)))
    outline = Outlines(indexed.database["invoices"]).newest()

    def weight(entries: tuple[str, ...], field: str = "invoiceDate") -> tuple[float, float]:
        stops = outline.along(field, entries)
        recent = sum(stop.weight for stop in stops if f"{stop.value:%Y-%m-%d}" in new)
        return recent, sum(stop.weight for stop in stops) - recent

    (recent, older), even = weight(("status:open",)), weight(())
    assert recent > 3 * even[0]
    assert older < 0.5 * even[1]
    assert weight(("supplier:acme gmbh",)) == weight(("supplier:unknown",)) == even
    assert outline.along("updatedAt", ("status:open",)) == outline.stops["updatedAt"]


class Lost(Outlines):
    """Is there once, and then no more: as when the renewal fails that a first call began."""

    asked: int = 0

    def newest(self, *, old_will_do: bool = True) -> Outline:
        self.asked += 1
        if self.asked > 1:
            raise AutoReconnect
        return super().newest(old_will_do=old_will_do)


def test_a_page_that_was_read_does_not_fail_for_the_outline(indexed: Services, put: Callable[..., list[str]]):
    put(*(document(str(number)) for number in range(30)))
    reads = replace(Queries.of(indexed.database), outlines=Lost(indexed.database["invoices"]))
    assert len(reads.list_invoices({"supplier": "Acme GmbH"})[0]) == 30


def test_that_indexes_are_gone_is_noticed(indexed: Services, put: Callable[..., list[str]]):
    put(document("1"))
    outlines = Outlines(indexed.database["invoices"], clock := Clock())
    first = outlines.newest()
    indexed.database["invoices"].drop_index("supplierStatus")
    clock.now = 70
    with pytest.raises(NotSetUp):
        newer_than(first, outlines)


def test_what_lies_between_two_times_is_spread_over_whole_milliseconds(
    indexed: Services, put: Callable[..., list[str]]
):
    times = [CREATED + timedelta(milliseconds=number * number) for number in range(30)]
    put(*(document(str(number)) | {"updatedAt": time_} for number, time_ in enumerate(times)))
    stops = Outlines(indexed.database["invoices"]).newest().stops["updatedAt"]
    values = [stop.value for stop in stops]
    assert values == sorted(set(values))
    assert set(times) <= set(values)
    assert all(value.microsecond % 1000 == 0 for value in values)
    assert sum(stop.weight for stop in stops) == pytest.approx(30)
    assert len(stops) > 100


def test_days_with_few_are_taken_to_be_like_those_around_them(indexed: Services, put: Callable[..., list[str]]):
    few = [document(str(number), day=f"2024-01-{number:02}") for number in range(1, 17)]
    many = [document(f"many {number}", day="2024-01-20") for number in range(40)]
    put(*few, *many, document("long ago", day="1900-01-01"))
    stops = Outlines(indexed.database["invoices"]).newest().stops["invoiceDate"]
    weights = {f"{stop.value:%Y-%m-%d}": stop.weight for stop in stops}
    assert sum(weights.values()) == pytest.approx(57)
    assert weights["2024-01-20"] == 40
    assert weights["2024-01-12"] == pytest.approx(1, rel=0.2)
    assert len(stops) < 100


def test_days_that_differ_by_accident_are_taken_to_be_alike(indexed: Services, put: Callable[..., list[str]]):
    counts = {f"2024-01-{day:02}": 1 + day % 4 for day in range(1, 31)} | {"2024-01-31": 30}
    put(*(document(f"{day} {number}", day=day) for day, count in counts.items() for number in range(count)))
    stops = Outlines(indexed.database["invoices"]).newest().stops["invoiceDate"]
    weights = {f"{stop.value:%Y-%m-%d}": stop.weight for stop in stops}
    assert weights.pop("2024-01-31") == 30
    assert weights.keys() == counts.keys() - {"2024-01-31"}
    assert all(weight == pytest.approx(2.5, rel=0.1) for weight in weights.values())


def test_days_that_the_sample_does_not_reach_are_counted(indexed: Services):
    inside = [document(str(number), day="2024-02-01") | {"_id": ObjectId(f"{number:024x}")} for number in range(1300)]
    days = ["2024-01-01", "2024-01-01", "2024-01-31", "2024-02-02"]
    outside = [document(day, day=day) | {"_id": ObjectId(f"f{at:023x}")} for at, day in enumerate(days)]
    indexed.database["invoices"].insert_many([*inside, *outside])
    outline = Outlines(indexed.database["invoices"]).newest()
    assert outline.size == 1300
    weights = {f"{stop.value:%Y-%m-%d}": stop.own * outline.each for stop in outline.stops["invoiceDate"]}
    assert weights.pop("2024-02-01") > 1300
    assert weights == pytest.approx({"2024-01-01": 2, "2024-01-31": 1, "2024-02-02": 1})


def test_who_needs_a_new_one_does_not_get_an_old_one_that_is_being_renewed(
    indexed: Services, put: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
):
    outlines = Outlines(indexed.database["invoices"], clock := Clock())
    old = outlines.newest()
    put(*(document(str(number)) for number in range(3)))
    monkeypatch.setattr(Outlines, "_renew_meanwhile", lambda *_: None)  # it takes its time
    clock.now = 70
    assert outlines.newest() is old
    assert outlines.newest(old_will_do=False).size == 3
