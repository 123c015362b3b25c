"""Columns of bytes, and how they are joined row by row into BSON documents."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache, reduce
from itertools import chain
from struct import Struct
from typing import TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

BINARY = pa.binary()

_INT32 = Struct("<i").pack
_DOCUMENT_BYTES = 5  # around its elements: the size, which counts itself, and the end


class Repeated(msgspec.Struct, frozen=True):
    """A column of few different values. Each row has the index of its value, put between `before` and `after`.

    The value None means: this row needs the row-wise path.
    """

    values: Sequence[bytes | None]
    indices: pa.Array
    before: bytes = b""
    after: bytes = b""

    def filter(self, mask: pa.Array) -> Repeated:
        """The rows for which `mask` is true."""
        return replace(self, indices=pc.filter(self.indices, mask))

    @property
    def known(self) -> pa.Array | None:
        """For each row whether it has a value. None when all rows have one."""
        if None not in self.values:
            return None
        return pc.take(pa.array([value is not None for value in self.values]), self.indices)

    def column(self) -> pa.Array:
        """One value a row."""
        values = [None if each is None else self.before + each + self.after for each in self.values]
        return pc.take(pa.array(values, BINARY), self.indices)


class SameSize(msgspec.Struct, frozen=True):
    """One value a row, all of the same size, each between `before` and `after`."""

    values: Sequence[bytes]
    before: bytes = b""
    after: bytes = b""

    def column(self) -> pa.Array:
        """One value a row."""
        content = self.before + (self.after + self.before).join(self.values) + self.after
        return fixed(pa.py_buffer(content), len(self.values), len(content) // len(self.values))


BytesColumn: TypeAlias = "bytes | pa.Array | Repeated | SameSize"
"""The same bytes in each row, or one value a row."""


class Embedded(msgspec.Struct, frozen=True):
    """A BSON document in each row: its bytes, column by column, and its size, one for all rows or one for each."""

    columns: Sequence[BytesColumn]
    size: int | pa.Array


def join(*columns: BytesColumn) -> pa.Array:
    """The bytes of each row, one column after the other."""
    return pc.binary_join_element_wise(*map(_array, _merged(columns)), b"")


def document(*elements: BytesColumn | Embedded) -> Embedded:
    """A BSON document in each row, from the bytes of its elements."""
    sizes = [each.size if isinstance(each, Embedded) else _size(each) for each in elements]
    constant = sum(each for each in sizes if isinstance(each, int)) + _DOCUMENT_BYTES
    varying = [each for each in sizes if not isinstance(each, int)]
    size = pc.add(reduce(pc.add, varying), pa.scalar(constant, pa.int32())) if varying else constant
    begin = _INT32(size) if isinstance(size, int) else integers(size)
    inner = chain.from_iterable(each.columns if isinstance(each, Embedded) else (each,) for each in elements)
    return Embedded([begin, *inner, b"\0"], size)


def integers(values: pa.Array) -> pa.Array:
    """As the four bytes of an int32."""
    fresh = pc.cast(values, pa.int32())
    return fixed(fresh.buffers()[1], len(values), 4, fresh.offset)


def longs(values: pa.Array) -> pa.Array:
    """As the eight bytes of an int64."""
    return fixed(values.buffers()[1], len(values), 8, values.offset)


def fixed(content: pa.Buffer, count: int, size: int, offset: int = 0) -> pa.Array:
    """`count` values of `size` bytes each, without a copy. The first `offset` values of `content` are left out."""
    return pa.Array.from_buffers(BINARY, count, [None, _ends(count, size), content.slice(offset * size)])


def _merged(columns: Iterable[BytesColumn]) -> list[BytesColumn]:
    """Joins constant bytes to their neighbour: each column costs time in every row."""
    merged: list[BytesColumn] = []
    for column in map(_constant, columns):
        last = merged[-1] if merged else None
        if isinstance(column, bytes) and isinstance(last, bytes):
            merged[-1] = last + column
        elif isinstance(column, bytes) and isinstance(last, Repeated | SameSize):
            merged[-1] = replace(last, after=last.after + column)
        elif isinstance(column, Repeated | SameSize) and isinstance(last, bytes):
            merged[-1] = replace(column, before=last + column.before)
        else:
            merged.append(column)
    return merged


def _constant(column: BytesColumn) -> BytesColumn:
    """The bytes of a column that has only one value; any other column as it is."""
    if isinstance(column, Repeated) and len(column.values) == 1 and column.values[0] is not None:
        return column.before + column.values[0] + column.after
    return column


def _size(column: BytesColumn) -> int | pa.Array:
    """The bytes in each row."""
    if isinstance(column, bytes):
        return len(column)
    if isinstance(column, pa.Array):
        return pc.binary_length(column)
    around = len(column.before) + len(column.after)
    if isinstance(column, SameSize):
        return around + len(column.values[0])
    sizes = [around + len(value or b"") for value in column.values]
    return sizes[0] if len(set(sizes)) == 1 else pc.take(pa.array(sizes, pa.int32()), column.indices)


def _array(column: BytesColumn) -> pa.Array | pa.Scalar:
    if isinstance(column, Repeated | SameSize):
        return column.column()
    return pa.scalar(column, BINARY) if isinstance(column, bytes) else column


@lru_cache(maxsize=8)  # most batches have the same number of rows
def _ends(count: int, size: int) -> pa.Buffer:
    return pa.py_buffer(array("i", range(0, (count + 1) * size, size)))
