"""What the pages that were read tell of invoices that an outline's sample has few of.

Like an outline, it steers how lists are read, never what is read.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mailroom.invoices.outline import Entries, Outline
from mailroom.invoices.spread import ENOUGH
from mailroom.platform.windows import weight_between

_MOST_FOUND = 300.0  # of one entry, on all its pages: with more, the older pages count less
_MOST_ENTRIES = 1000


class Density(msgspec.Struct, frozen=True):
    """So many invoices with an entry lay among so many."""

    found: float = 0.0
    among: float = 0.0

    def times(self, factor: float) -> Density:
        return Density(self.found * factor, self.among * factor)


class Learnt(msgspec.Struct):
    """By entries, as `Selection` has them. With each new outline it counts half: invoices come and go."""

    _densities: dict[Entries, Density] = msgspec.field(default_factory=dict)
    _outline: Outline | None = None
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    def estimate(self, outline: Outline, entries: Entries) -> tuple[float, float]:
        """What part of all invoices has these entries, and how many were found that tell so."""
        learnt = Density() if _is_known(outline, entries) else self._densities.get(entries, Density())
        found = outline.found(entries) + learnt.found
        return min(1.0, found / max(outline.size + learnt.among, 1)), found

    def learn(self, outline: Outline, entries: Entries, page: Sequence[Mapping[str, Any]]) -> None:
        """From a page in the order of the date: all with these entries between its first invoice and its last."""
        with self._lock:
            self._fade(outline)
            if _is_known(outline, entries) or len(page) < ENOUGH:
                return
            first, last = sorted((page[0]["invoiceDate"], page[-1]["invoiceDate"]))
            if weight := weight_between(outline.stops["invoiceDate"], first, last):
                self._add(entries, len(page), max(weight * outline.each, len(page)))

    def _add(self, entries: Entries, found: float, among: float) -> None:
        before = self._densities.pop(entries, Density())
        if len(self._densities) >= _MOST_ENTRIES:
            del self._densities[next(iter(self._densities))]
        now = Density(before.found + found, before.among + among)
        self._densities[entries] = now.times(min(1.0, _MOST_FOUND / now.found))

    def _fade(self, outline: Outline) -> None:
        if outline is not self._outline:
            self._outline = outline
            halves = ((entries, density.times(0.5)) for entries, density in self._densities.items())
            self._densities = {entries: half for entries, half in halves if half.found >= 1}


def _is_known(outline: Outline, entries: Entries) -> bool:
    return outline.each == 1 or outline.lookups.get(entries, 0) >= ENOUGH
