"""How many there are of what a sample has not: learnt from pages, for a while."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from mailroom.invoices.views.learnt import Entries, Learnt
from mailroom.invoices.views.outline import Outline
from mailroom.platform.windows import Stop

DAYS = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(300)]
RARE, COMMON = ("supplier:rare ltd",), ("status:open",)
Page = list[dict[str, datetime]]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def page(day: int, days: int, count: int) -> Page:
    """So many invoices, spread evenly over days."""
    return [{"invoiceDate": DAYS[day] + timedelta(days=number * days // count)} for number in range(count)]


def outline(rare: int = 0, each: float = 100) -> Outline:
    """Of each of 300 days the sample has 10 invoices. Each stands for 100."""
    stops = [Stop(day, 10.0, 10.0) for day in DAYS]
    return Outline(each, 3000, {"invoiceDate": stops}, {COMMON: 2000, RARE: rare}, reads_any_of=True)


def share(learnt: Learnt, of: Outline, entries: Entries = RARE) -> float:
    return learnt.estimate(of, entries)[0]


def test_what_the_sample_has_not_is_learnt_from_pages_in_either_order():
    learnt, of = Learnt(), outline()
    assert share(learnt, of) == of.share(RARE) == pytest.approx(1 / 3000)
    learnt.learn(of, RARE, page(100, 20, 100))  # 100 among 20,000
    assert share(learnt, of) == pytest.approx(0.005, rel=0.15)
    learnt.learn(of, RARE, page(100, 20, 100)[::-1])
    assert share(learnt, of) == pytest.approx(0.005, rel=0.1)


def test_newer_pages_count_more():
    learnt, of = Learnt(), outline()
    for _ in range(8):
        learnt.learn(of, RARE, page(100, 20, 100))
    for _ in range(8):
        learnt.learn(of, RARE, page(50, 10, 100))
    assert share(learnt, of) == pytest.approx(0.01, rel=0.15)


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        (COMMON, page(0, 200, 100)),  # of which the sample has enough
        (RARE, []),
        (RARE, page(0, 200, 3)),
        (RARE, page(7, 1, 100)),  # a part of one day, who knows which
        (RARE, [{"invoiceDate": day - timedelta(days=5000)} for day in DAYS]),  # of which the outline knows nothing
    ],
)
def test_what_tells_nothing_is_not_learnt_from(entries: Entries, found: Page):
    learnt, of = Learnt(), outline()
    learnt.learn(of, entries, found)
    assert share(learnt, of, entries) == of.share(entries)


def test_a_sample_that_has_many_by_now_knows_better():
    learnt = Learnt()
    learnt.learn(outline(), RARE, page(0, 300, 100))
    grown = outline(rare=600)
    learnt.learn(grown, RARE, page(0, 300, 100))
    assert share(learnt, grown) == grown.share(RARE) == pytest.approx(0.2, rel=0.01)


def test_a_sample_of_everything_knows_best():
    learnt = Learnt()
    learnt.learn(outline(), RARE, page(0, 20, 100))
    everything = outline(each=1)
    assert share(learnt, everything) == everything.share(RARE)


def test_what_is_learnt_of_invoices_that_are_gone_is_forgotten():
    learnt, of = Learnt(clock := Clock()), outline()
    learnt.learn(of, RARE, page(100, 20, 100))
    at_first = share(learnt, of)
    clock.now = 3600
    assert at_first > 10 * of.share(RARE)
    assert share(learnt, of) == pytest.approx(of.share(RARE), rel=0.01)


def test_a_page_lies_among_at_least_itself():
    learnt, of = Learnt(Clock()), outline(each=0.001)
    learnt.learn(of, RARE, page(0, 2, 200))
    assert share(learnt, of) == pytest.approx((1 + 200) / (3000 + 200))


def test_many_learn_at_once():
    learnt, of, few = Learnt(), outline(), page(0, 20, 20)

    def learn(first: int) -> None:
        for number in range(first, first + 3000):
            learnt.learn(of, (f"supplier:{number}",), few)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(learn, range(0, 80_000, 10_000)))
    finally:
        sys.setswitchinterval(before)
    learnt_of = [number for number in range(80_000) if share(learnt, of, (f"supplier:{number}",)) > of.share(RARE)]
    assert len(learnt_of) == 1000


def test_a_stranger_who_asks_for_everything_fills_no_memory():
    learnt, of = Learnt(), outline()
    for number in range(5000):
        learnt.learn(of, (f"supplier:{number}",), page(0, 20, 20))
    known = [number for number in range(5000) if share(learnt, of, (f"supplier:{number}",)) > of.share(RARE)]
    assert known == list(range(4000, 5000))
