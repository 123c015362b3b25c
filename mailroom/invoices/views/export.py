"""As much of a long result as one answer may take: it ends before the platform ends it, and says where to go on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from bson.raw_bson import RawBSONDocument

from mailroom.platform.clock import Budget


class Piece:
    """Documents until `budget` is spent, at least the first `at_once`, which come together. To be read once.

    When they have been read, `next_cursor` is where the next piece begins, or None if nothing is left.
    """

    def __init__(
        self,
        documents: Generator[RawBSONDocument],
        budget: Budget,
        cursor_behind: Callable[[RawBSONDocument], str],
        at_once: int,
    ) -> None:
        self._documents = documents
        self._budget = budget
        self._cursor_behind = cursor_behind
        self._at_once = at_once
        self.next_cursor: str | None = None

    def __iter__(self) -> Iterator[RawBSONDocument]:
        last: RawBSONDocument | None = None
        try:
            for count, document in enumerate(self._documents):
                if last is not None and count % self._at_once == 0 and self._budget.spent():
                    self.next_cursor = self._cursor_behind(last)
                    return
                yield document
                last = document
        finally:
            self._documents.close()
