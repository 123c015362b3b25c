"""How those with some entry are spread over the days: as all, unless a sample says otherwise, and not by accident."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mailroom.invoices.views.spread import spread
from mailroom.platform.windows import Stop

DAYS = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(400)]
STOPS = [Stop(day, 10.0, 10.0) for day in DAYS]


def between(stops: list[Stop], first: int, last: int) -> float:
    return sum(stop.weight for stop in stops if DAYS[first] <= stop.value <= DAYS[last])


def test_an_even_spread_is_left_alone():
    draw = random.Random(1)
    for share in (0.01, 0.1, 0.5):
        found = {day: sum(draw.random() < share for _ in range(10)) for day in DAYS}
        changed = [new for new, old in zip(spread(STOPS, found, share), STOPS, strict=True) if new != old]
        assert len(changed) < len(DAYS) / 20


def test_what_is_mostly_new_is_expected_among_the_newest():
    found = dict.fromkeys(DAYS[-40:], 6) | dict.fromkeys(DAYS[:300:60], 1)
    share = sum(found.values()) / 4000

    stops = spread(STOPS, found, share)

    expected = share * between(stops, 360, 399)  # in the sample, where 240 were found
    assert 0.5 * 240 < expected < 1.1 * 240
    assert share * between(stops, 0, 299) < 0.4 * share * between(STOPS, 0, 299)


@given(st.dictionaries(st.sampled_from(DAYS), st.integers(0, 10)), st.floats(0, 1))
def test_every_day_stays_in_its_place(found: dict[datetime, int], share: float):
    stops = spread(STOPS, found, share)
    assert [stop.value for stop in stops] == DAYS
    assert all(stop.weight > 0 and stop.own == stop.weight for stop in stops)
