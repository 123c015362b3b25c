"""Streams of bytes: read as files, counted, hashed and packed."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator

from mailroom.platform.streams import PieceReader

_GZIP = 31  # zlib's window bits for a gzip file


class Stream(PieceReader):
    """A `PieceReader` whose `size` and `sha256` tell of the bytes that were read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(self._counted(pieces))
        self._hash = hashlib.sha256()
        self.size = 0

    def _counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._hash.update(piece)
            self.size += len(piece)
            yield piece

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
