"""How the invoices with some entry are spread over the days: those that are open are mostly new."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from mailroom.platform.windows import Stop

# So many of a sample, found or expected, tell whether a time has more of them than others.
ENOUGH_TO_TELL = 16

_DEVIATIONS = 3  # standard deviations
_UNSEEN = 1  # to what is found and what is expected: that a sample has none does not mean that there is none


def by_accident(expected: float) -> float:
    """By so much a count may differ from the one expected, and nothing follows from it."""
    return _DEVIATIONS * math.sqrt(expected + 0.5)


def spread(stops: Sequence[Stop], found: Mapping[datetime, int], share: float) -> list[Stop]:
    """The stops of all invoices with other weights where a sample has `found` more or fewer than that `share` of all.

    So the weights still are those of all invoices where they are spread evenly.
    """
    weighed: list[Stop] = []
    block: list[Stop] = []
    count, expected = 0, 0.0
    for stop in stops:
        block.append(stop)
        count += found.get(stop.value, 0)
        expected += share * stop.weight
        if max(count, expected) >= ENOUGH_TO_TELL:
            weighed += _weighed(block, count, expected)
            block, count, expected = [], 0, 0.0
    return weighed + _weighed(block, count, expected)


def _weighed(block: list[Stop], count: int, expected: float) -> list[Stop]:
    if abs(count - expected) <= by_accident(expected):
        return block
    factor = (count + _UNSEEN) / (expected + _UNSEEN)
    return [Stop(stop.value, stop.weight * factor, stop.own * factor) for stop in block]
