"""Where the invoices lie: how many there are at each date and time of change, and with each value that is looked up.

Read from a sample, which the lowest `_id`s are, for an `_id` is a hash. It steers how lists are read, never what is
read.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from mailroom.errors import NotSetUp
from mailroom.invoices.indexes import INDEXES
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.windows import Stop, admits

_FIELDS = ("invoiceDate", "updatedAt")

_STEP = 4  # between the parts of all invoices that are tried until there are enough
_ENOUGH = 300
_TOO_MANY = _ENOUGH * _STEP
_SMALLEST_PART = 4**9
_UNSEEN = 0.5  # so many of the sample are taken to have what none has, or one
_SECONDS = 60.0  # so long an outline is used


@dataclass(frozen=True)
class Outline:
    """`each`: the invoices that one of the sample stands for. A `Stop` weighs those of the sample."""

    each: float
    size: int
    stops: Mapping[str, Sequence[Stop]]
    lookups: Mapping[str, int]

    def share(self, entry: str) -> float:
        """What part of all invoices has this entry in `lookups`."""
        return self.lookups.get(entry, _UNSEEN) / max(self.size, 1)

    def share_between(self, name: str, bounds: Document) -> float:
        """What part of all invoices has this field within the bounds."""
        return sum(stop.weight for stop in self.stops[name] if admits(bounds, stop.value)) / max(self.size, 1)


@dataclass
class Outlines:
    """The newest outline, read anew when it is old. Blocks for a few answers then; raises `NotSetUp`."""

    invoices: Documents
    _part: int = _SMALLEST_PART
    _read_at: float = -_SECONDS
    _outline: Outline | None = field(default=None)

    def newest(self) -> Outline:
        now = time.monotonic()
        if self._outline is None or now - self._read_at > _SECONDS:
            self._require_indexes()
            self._outline, self._read_at = self._sample(), now
        return self._outline

    def _require_indexes(self) -> None:
        """No query names its index. Without them, each would read everything."""
        if missing := {index.document["name"] for index in INDEXES["invoices"]} - set(
            self.invoices.index_information()
        ):
            raise NotSetUp(f"invoices has no index {min(missing)}")

    def _sample(self) -> Outline:
        while len(found := self._lowest(self._part)) < _ENOUGH and self._part > 1:
            self._part //= _STEP
        outline = _outline(found, self._part)
        if len(found) > _TOO_MANY:
            self._part *= _STEP  # the next time
        return outline

    def _lowest(self, part: int) -> list[dict[str, Any]]:
        """That part of all invoices, as one of `part`, which has the lowest `_id`s."""
        last = ObjectId(f"{(1 << 96) // part - 1:024x}")
        fields = dict.fromkeys((*_FIELDS, "lookups"), 1)
        return list(self.invoices.find({"_id": {"$lte": last}}, fields, batch_size=_TOO_MANY))


def _outline(sample: list[dict[str, Any]], each: int) -> Outline:
    stops = {
        name: [Stop(value, count) for value, count in sorted(Counter(one[name] for one in sample).items())]
        for name in _FIELDS
    }
    lookups = Counter(entry for one in sample for entry in one["lookups"])
    return Outline(float(each), len(sample), stops, {entry: count for entry, count in lookups.items() if count > 1})
