"""How an export ends in time."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from bson import ObjectId

from mailroom.invoices.views import export as views
from mailroom.invoices.views.export import Export
from mailroom.platform.clock import Budget
from mailroom.platform.keyset import Key, Order
from mailroom.platform.mongo import Document

BY_NUMBER = Order("n")


class Documents:
    def __init__(self, count: int) -> None:
        self.count, self.read, self.closed = count, 0, False

    def __iter__(self) -> Generator[Document]:
        try:
            for number in range(self.count):
                self.read += 1
                yield {"n": number, "_id": id_of(number)}
        finally:
            self.closed = True


def id_of(number: int) -> ObjectId:
    return ObjectId(f"{number:024x}")


@pytest.fixture(autouse=True)
def batches_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "BATCH", 3)


@pytest.mark.parametrize(
    ("seconds", "count", "taken", "last"),
    [
        (60, 5, 5, None),
        (60, 0, 0, None),
        (0, 0, 0, None),
        (0, 2, 2, None),
        (0, 3, 3, None),  # nothing is left, so there is no next export
        (0, 4, 3, 2),
        (0, 7, 3, 2),
    ],
)
def test_an_export_out_of_time_ends_after_a_whole_batch(seconds: float, count: int, taken: int, last: int | None):
    documents = Documents(count)
    export = Export(iter(documents), BY_NUMBER, Budget(seconds))
    assert [document["n"] for document in export] == list(range(taken))
    assert export.last == (None if last is None else Key(last, id_of(last)))
    assert documents.closed


def test_an_abandoned_export_closes_its_cursor():
    documents = Documents(3)
    reader = iter(Export(iter(documents), BY_NUMBER, Budget(60)))
    next(reader)
    reader.close()  # type: ignore[attr-defined]
    assert documents.closed


def test_the_first_document_is_read_before_anything_is_sent():
    documents = Documents(3)
    Export(iter(documents), BY_NUMBER, Budget(60))
    assert documents.read == 1
