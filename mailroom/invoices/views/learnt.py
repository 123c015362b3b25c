"""What the pages that were read tell of invoices that an outline's sample has few of.

Like an outline, it steers how lists are read, never what is read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from mailroom.invoices.views.outline import Entries, Outline
from mailroom.invoices.views.spread import ENOUGH_TO_TELL
from mailroom.platform.windows import weight_between

_LEAST_PAGE = 16  # fewer invoices on a page tell little
_MOST_FOUND = 300.0  # of one entry, on all its pages: with more, the older pages count less
_MOST_ENTRIES = 1000
_HALF_LIFE_SECONDS = 120.0  # invoices come and go


class Density(msgspec.Struct, frozen=True):
    """So many invoices with an entry lay among so many, as it was known at that time."""

    found: float = 0.0
    among: float = 0.0
    at: float = 0.0

    def faded(self, now: float) -> Density:
        return self.times(0.5 ** ((now - self.at) / _HALF_LIFE_SECONDS), now)

    def times(self, factor: float, now: float) -> Density:
        return Density(self.found * factor, self.among * factor, now)


class Learnt(msgspec.Struct):
    """By entries, as `Selection` has them."""

    clock: Callable[[], float] = time.monotonic
    _densities: dict[Entries, Density] = msgspec.field(default_factory=dict)
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    def estimate(self, outline: Outline, entries: Entries) -> tuple[float, float]:
        """What part of all invoices has these entries, and how many were found that tell so."""
        learnt = Density()
        if not _is_known(outline, entries):
            learnt = self._densities.get(entries, learnt).faded(self.clock())
        found = outline.found(entries) + learnt.found
        return min(1.0, found / max(outline.size + learnt.among, 1)), found

    def learn(self, outline: Outline, entries: Entries, page: Sequence[Mapping[str, Any]]) -> None:
        """From a page in the order of the date: all with these entries between its first invoice and its last."""
        if _is_known(outline, entries) or len(page) < _LEAST_PAGE:
            return
        first, last = sorted((page[0]["invoiceDate"], page[-1]["invoiceDate"]))
        if weight := weight_between(outline.stops["invoiceDate"], first, last):
            self._add(entries, len(page), max(weight * outline.each, len(page)))

    def _add(self, entries: Entries, found: float, among: float) -> None:
        now = self.clock()
        with self._lock:
            before = self._densities.pop(entries, Density()).faded(now)
            if len(self._densities) >= _MOST_ENTRIES:
                del self._densities[next(iter(self._densities))]  # of those, the one whose page was read first
            density = Density(before.found + found, before.among + among, now)
            self._densities[entries] = density.times(min(1.0, _MOST_FOUND / density.found), now)


def _is_known(outline: Outline, entries: Entries) -> bool:
    return outline.each == 1 or outline.lookups.get(entries, 0) >= ENOUGH_TO_TELL
