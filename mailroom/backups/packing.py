"""Streams of bytes: counted, hashed, packed and unpacked, a piece at a time."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

_GZIP = 31  # zlib's window bits for a gzip file
_BUFFER = 1 << 16


class Counted:
    """Pieces on their way through, and what they have come to."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self._hash = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.size += len(piece)
            self._hash.update(piece)
            yield piece

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def stream(pieces: Iterable[bytes]) -> BinaryIO:
    """Pieces as a file that can be read once, for those who want a file."""
    return io.BufferedReader(_Pieces(pieces), _BUFFER)


def pack(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """As gzip."""
    packer = zlib.compressobj(level=3, wbits=_GZIP)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def unpack(pieces: Iterable[bytes], most: int = 1 << 20) -> Iterator[bytes]:
    """What `pack` packed, in pieces of at most `most` bytes. Its end is not checked: a checksum tells of the whole."""
    unpacker = zlib.decompressobj(wbits=_GZIP)
    for piece in pieces:
        while piece:
            yield unpacker.decompress(piece, most)
            piece = unpacker.unconsumed_tail
    yield unpacker.flush()
