"""Columns of pieces of bytes, and how they are joined row by row."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache, reduce
from itertools import chain
from struct import Struct
from typing import TypeAlias

import msgspec
import pyarrow as pa
from msgspec.structs import replace

from mailroom.invoices.columnar import kernels

BINARY = pa.binary()

_INT32 = Struct("<i").pack
_DOCUMENT_BYTES = 5  # around its elements: the size, which counts itself, and the end


class Repeated(msgspec.Struct, frozen=True):
    """A column of few different values: that of a row is the one at its index, between `before` and `behind`.

    None stands for a value that needs a closer look.
    """

    values: Sequence[bytes | None]
    indices: pa.Array
    before: bytes = b""
    behind: bytes = b""

    def filter(self, mask: pa.Array) -> Repeated:
        """The rows for which `mask` is true."""
        return replace(self, indices=kernels.filter_(self.indices, mask))

    @property
    def known(self) -> pa.Array | None:
        """For each row whether its value is none that needs a closer look; None when no row has such a value."""
        if None not in self.values:
            return None
        return kernels.take(pa.array([value is not None for value in self.values]), self.indices)

    def column(self) -> pa.Array:
        """One value a row."""
        values = [None if each is None else self.before + each + self.behind for each in self.values]
        return kernels.take(pa.array(values, BINARY), self.indices)


class Listed(msgspec.Struct, frozen=True):
    """One value a row, all of the same size, each between `before` and `behind`."""

    values: Sequence[bytes]
    before: bytes = b""
    behind: bytes = b""

    def column(self) -> pa.Array:
        """One value a row."""
        content = self.before + (self.behind + self.before).join(self.values) + self.behind
        return fixed(pa.py_buffer(content), len(self.values), len(content) // len(self.values))


Piece: TypeAlias = "bytes | pa.Array | Repeated | Listed"
"""The same bytes in each row, or one value a row."""


class Embedded(msgspec.Struct, frozen=True):
    """A BSON document in each row: its pieces, and its size, the same in all rows or one for each."""

    pieces: Sequence[Piece]
    size: int | pa.Array


def join(*pieces: Piece) -> pa.Array:
    """The pieces of each row, one after the other."""
    return kernels.binary_join_element_wise(*map(_column, _folded(pieces)), b"")


def document(*elements: Piece | Embedded) -> Embedded:
    """A BSON document in each row, from the pieces of its elements."""
    sizes = [each.size if isinstance(each, Embedded) else _size(each) for each in elements]
    constant = sum(each for each in sizes if isinstance(each, int)) + _DOCUMENT_BYTES
    varying = [each for each in sizes if not isinstance(each, int)]
    size = kernels.add(reduce(kernels.add, varying), pa.scalar(constant, pa.int32())) if varying else constant
    begin = _INT32(size) if isinstance(size, int) else integers(size)
    inner = chain.from_iterable(each.pieces if isinstance(each, Embedded) else (each,) for each in elements)
    return Embedded([begin, *inner, b"\0"], size)


def integers(values: pa.Array) -> pa.Array:
    """As the four bytes of an int32."""
    fresh = kernels.cast(values, pa.int32())
    return fixed(fresh.buffers()[1], len(values), 4, fresh.offset)


def longs(values: pa.Array) -> pa.Array:
    """As the eight bytes of an int64."""
    return fixed(values.buffers()[1], len(values), 8, values.offset)


def fixed(content: pa.Buffer, count: int, size: int, offset: int = 0) -> pa.Array:
    """`count` values of `size` bytes each, without a copy. `offset`: values in `content` before the first."""
    return pa.Array.from_buffers(BINARY, count, [None, _ends(count, size), content.slice(offset * size)])


def _folded(pieces: Iterable[Piece]) -> list[Piece]:
    """The same with fewer pieces, for each costs time in every row: what is constant goes to a neighbour."""
    folded: list[Piece] = []
    for piece in map(_constant, pieces):
        last = folded[-1] if folded else None
        if isinstance(piece, bytes) and isinstance(last, bytes):
            folded[-1] = last + piece
        elif isinstance(piece, bytes) and isinstance(last, Repeated | Listed):
            folded[-1] = replace(last, behind=last.behind + piece)
        elif isinstance(piece, Repeated | Listed) and isinstance(last, bytes):
            folded[-1] = replace(piece, before=last + piece.before)
        else:
            folded.append(piece)
    return folded


def _constant(piece: Piece) -> Piece:
    """The bytes that a piece is in every row, where it is the same in all."""
    if isinstance(piece, Repeated) and len(piece.values) == 1 and piece.values[0] is not None:
        return piece.before + piece.values[0] + piece.behind
    return piece


def _size(piece: Piece) -> int | pa.Array:
    """Bytes, in each row."""
    if isinstance(piece, bytes):
        return len(piece)
    if isinstance(piece, pa.Array):
        return kernels.binary_length(piece)
    around = len(piece.before) + len(piece.behind)
    if isinstance(piece, Listed):
        return around + len(piece.values[0])
    sizes = [around + len(value or b"") for value in piece.values]
    return sizes[0] if len(set(sizes)) == 1 else kernels.take(pa.array(sizes, pa.int32()), piece.indices)


def _column(piece: Piece) -> pa.Array | pa.Scalar:
    if isinstance(piece, Repeated | Listed):
        return piece.column()
    return pa.scalar(piece, BINARY) if isinstance(piece, bytes) else piece


@lru_cache(maxsize=8)  # most batches have the same number of rows
def _ends(count: int, size: int) -> pa.Buffer:
    return pa.py_buffer(array("i", range(0, (count + 1) * size, size)))
