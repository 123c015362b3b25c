"""When a worker leaves an import to others, so that no import keeps the others waiting.

The import that has been due for longest is claimed first. An import that is put aside is due from then on, so it comes
after all that waited. This order is in MongoDB: all replicas keep it.
"""

from __future__ import annotations

from collections.abc import Callable

from mailroom.platform.clock import Budget


class SliceBudget:
    """The time that a worker spends on one import: until its call ends, or a slice if another import waits.

    `other_waits` asks MongoDB. It is asked when a slice ends; if no other import waits, another slice begins. The first
    slice begins with the first question, which comes after the first batch: to find the place to go on from in a large
    workbook may take longer than a slice.
    """

    def __init__(self, call: Budget, seconds: float, other_waits: Callable[[], bool]) -> None:
        self._call = call
        self._seconds = seconds
        self._other_waits = other_waits
        self._slice: Budget | None = None
        self._spent = False

    def spent(self) -> bool:
        """Whether to put the import aside. Once it is true, it stays true."""
        if not self._spent:
            self._spent = self._call.spent() or self._must_let_others_go_first()
        return self._spent

    def _must_let_others_go_first(self) -> bool:
        self._slice = self._slice or Budget(self._seconds)
        if not self._slice.spent():
            return False
        self._slice = None
        return self._other_waits()
