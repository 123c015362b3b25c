"""Streams of bytes: read as files, counted, hashed and packed."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator

_GZIP = 31  # zlib's window bits for a gzip file


class Stream(io.RawIOBase):
    """`pieces` as a file that can be read once. `size` and `sha256` tell of the bytes that were read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")
        self._hash = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._hash.update(piece)
            self.size += len(piece)
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def pack(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """As gzip."""
    packer = zlib.compressobj(level=3, wbits=_GZIP)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()
