"""How a long result ends in time."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from mailroom.invoices.views.export import Piece
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document


class Documents:
    def __init__(self, count: int) -> None:
        self.count, self.closed = count, False

    def __iter__(self) -> Generator[Document]:
        try:
            for number in range(self.count):
                yield {"n": number}
        finally:
            self.closed = True


def cursor_behind(document: Document) -> str:
    return f"after {document['n']}"


@pytest.mark.parametrize(
    ("seconds", "count", "taken", "cursor"),
    [
        (60, 5, 5, None),
        (60, 0, 0, None),
        (0, 0, 0, None),
        (0, 2, 2, None),
        (0, 3, 3, None),  # nothing is left, so there is no next piece
        (0, 4, 3, "after 2"),
        (0, 7, 3, "after 2"),
    ],
)
def test_it_ends_when_the_time_is_over_but_has_what_is_read_at_once(
    seconds: float, count: int, taken: int, cursor: str | None
):
    documents = Documents(count)
    piece = Piece(iter(documents), Budget(seconds), cursor_behind, at_once=3)
    assert [document["n"] for document in piece] == list(range(taken))
    assert piece.next_cursor == cursor
    assert documents.closed


def test_left_early_it_closes_what_it_reads():
    documents = Documents(3)
    reader = iter(Piece(iter(documents), Budget(60), cursor_behind, at_once=1))
    next(reader)
    reader.close()  # type: ignore[attr-defined]
    assert documents.closed
