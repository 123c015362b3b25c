"""Rows that are BSON documents already."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import bson
import msgspec
from bson import ObjectId

from mailroom.invoices.model.merge import Row

if TYPE_CHECKING:
    import pyarrow as pa

INT32_MAX = 2**31 - 1

_WITH_TIME_ZONE: bson.CodecOptions[dict[str, Any]] = bson.CodecOptions(tz_aware=True)


class Stamp(msgspec.Struct, frozen=True):
    """What the new invoices of a batch have in common. `order_prefix` is their `order` without the offset."""

    import_id: ObjectId
    order_prefix: str
    now: datetime


class EncodedRows(msgspec.Struct, frozen=True):
    """Valid rows as the documents to insert where the invoices are new, in their order in the file.

    The last `tail` bytes of each document, from `order` on, do not come from the row's content.
    """

    ids: list[bytes]
    documents: pa.Array
    tail: int
    offsets: pa.Array
    rows: pa.Array
    stamp: Stamp

    def __len__(self) -> int:
        return len(self.ids)

    def place(self, index: int) -> tuple[int, int]:
        """The offset of a row in the content, and its number."""
        return self.offsets[index].as_py(), self.rows[index].as_py()

    def order(self, index: int) -> str:
        """The order of a row among all sources of its invoice."""
        return f"{self.stamp.order_prefix}{self.offsets[index].as_py():012x}"

    def content(self, index: int) -> bytes:
        """The elements that come from the file, as they are stored: `_id` first."""
        return self.document(index)[4 : -self.tail]

    def document(self, index: int) -> bytes:
        """The BSON of one row."""
        raw: bytes = self.documents[index].as_py()
        return raw

    def portions(self, most_bytes: int) -> Iterator[tuple[int, int, bytes]]:
        """Portions of about `most_bytes`: the first index, the index after the last, the documents glued together."""
        _, ends, content = self.documents.buffers()
        at, raw = memoryview(ends).cast("i"), memoryview(content)
        step = max(1, len(self) * most_bytes // self.documents.nbytes)
        for first in range(0, len(self), step):
            last = min(first + step, len(self))
            yield first, last, bytes(raw[at[first] : at[last]])

    def decoded(self, index: int) -> Row:
        """The row as the row-wise path gives it, to be merged into a stored invoice."""
        content: dict[str, Any] = bson.decode(self.document(index), _WITH_TIME_ZONE)
        source = content.pop("source")
        for name in ("insertedBy", "changedBy", "createdAt", "updatedAt"):
            del content[name]
        return Row(source["offset"], source["row"], content.pop("order"), content)
