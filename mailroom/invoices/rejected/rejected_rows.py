"""Reads the rejected rows that are kept of an import: the collection `rejects`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from pymongo.cursor import Cursor

from mailroom.errors import NotFound
from mailroom.invoices.files import Dialect, Rejected
from mailroom.invoices.imports.job import ImportJob
from mailroom.invoices.imports.rejects import counted_rows, rejected_of
from mailroom.platform.mongo import Document, Documents

_PAGE_BYTES = 2 << 20
"""Of the rows of a page: one row may have a mebibyte."""


class RejectedPage(msgspec.Struct, frozen=True):
    """`last` is the offset of the last one, or None if there is no further page."""

    items: list[Rejected]
    last: int | None


class RejectedRows(msgspec.Struct, frozen=True):
    """Every method blocks for answers of MongoDB."""

    collection: Documents

    def page(self, job: ImportJob, limit: int, after: int | None) -> RejectedPage:
        """The rejected invoices after the one at an offset, in the order of the file."""
        items: list[Rejected] = []
        size = 0
        which = counted_rows(job)
        if after is not None:
            which["offset"] |= {"$gt": after}
        with self._find(which) as found:
            for document in found.limit(limit + 1).batch_size(50):
                if len(items) == limit or size > _PAGE_BYTES:
                    return RejectedPage(items, items[-1].offset)
                items.append(rejected_of(document))
                size += items[-1].size
        return RejectedPage(items, None)

    def all(self, job: ImportJob) -> Iterator[Rejected]:
        """All of them."""
        with self._find(counted_rows(job)) as found:
            yield from map(rejected_of, found.batch_size(500))

    def at(self, job: ImportJob, offsets: Sequence[int]) -> list[Rejected]:
        """Those at these offsets."""
        with self._find({"importId": job.id, "offset": {"$in": list(offsets)}}) as found:
            return list(map(rejected_of, found))

    def count(self, job: ImportJob) -> int:
        return self.collection.count_documents(counted_rows(job))

    def _find(self, which: Document) -> Cursor[Document]:
        return self.collection.find(which).sort([("importId", 1), ("offset", 1)])


def dialect_of(job: ImportJob) -> Dialect:
    """How the file of the import is written. Raises `NotFound` `rejects.none` if nothing of it was read."""
    if job.dialect is None:
        raise NotFound("rejects.none", "no row of this import was read")
    return msgspec.convert(job.dialect, Dialect)
