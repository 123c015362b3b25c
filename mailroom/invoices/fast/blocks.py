"""Cuts content into blocks of whole lines, and lets a reader that needs more than its block go on behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# Behind the end of its last row, the row-wise reader has taken at most a row of the longest kind, in UTF-16, and a
# chunk. What is further back can be let go, else a line of any length would be held.
_READ_AHEAD_BYTES = 4 << 20


class Blocks:
    """Content from byte `offset` on. Holds one block and one chunk, and at most 8 MiB that `from_here` reads ahead."""

    def __init__(self, chunks: Iterable[bytes], offset: int) -> None:
        self.offset = offset
        self._chunks = iter(chunks)
        self._held = bytearray()

    def peek(self, lines: int, most_bytes: int) -> bytes:
        """The next `lines` whole lines, or fewer: of at most `most_bytes`, and up to the end of the content.

        The last line may lack its end; a single line longer than `most_bytes` comes cut off. Empty at the end.
        """
        end = 0
        for _ in range(lines):
            at = self._held.find(b"\n", end)
            while at < 0 and len(self._held) <= most_bytes and (chunk := next(self._chunks, None)) is not None:
                searched = len(self._held)
                self._held += chunk
                at = self._held.find(b"\n", searched)
            if at < 0 or at >= most_bytes:
                whole = at < 0 and len(self._held) <= most_bytes
                end = len(self._held) if whole or end == 0 else end
                break
            end = at + 1
        return bytes(self._held[:end])

    @property
    def end(self) -> int:
        """Up to where content was read."""
        return self.offset + len(self._held)

    def skip(self, count: int) -> None:
        """Goes on `count` bytes further."""
        while len(self._held) < count and (chunk := next(self._chunks, None)) is not None:
            self._held += chunk
        self.take(self.offset + count)

    def take(self, end: int) -> None:
        """Goes on at byte `end` of the content."""
        del self._held[: end - self.offset]
        self.offset = end

    def from_here(self) -> Iterator[bytes]:
        """All content from here on. What a reader may have read ahead stays until it is taken."""
        yield bytes(self._held)
        for chunk in self._chunks:
            self._held += chunk
            if len(self._held) > 2 * _READ_AHEAD_BYTES:  # not at each chunk, for it moves what stays
                self.take(self.end - _READ_AHEAD_BYTES)
            yield chunk
