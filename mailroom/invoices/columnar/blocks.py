"""Cuts content into blocks of whole lines, and lets a reader that needs more than its block read on after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# The row-wise reader reads ahead of its last row by at most two rows of the longest kind, in UTF-16, and one chunk.
# Bytes further back are dropped: else a line of any length would be held.
_READ_AHEAD_BYTES = 6 << 20


class Blocks:
    """Content from byte `offset` on. Holds one block and one chunk, and at most 12 MiB that `from_here` reads ahead."""

    def __init__(self, chunks: Iterable[bytes], offset: int) -> None:
        self.offset = offset
        self.lines = 0  # whole ones of the block that was peeked last
        self._chunks = iter(chunks)
        self._held = bytearray()

    def peek(self, lines: int, most_bytes: int) -> bytes:
        """The next `lines` whole lines, or fewer: of at most `most_bytes`, and up to the end of the content.

        The last line may lack its end; a single line longer than `most_bytes` comes cut off there. Empty at the end.
        """
        found = counted = 0
        chunk: bytes | None = b""
        while chunk is not None:
            self._held += chunk
            found += self._held.count(b"\n", counted, most_bytes)
            counted = len(self._held)
            self.lines = min(found, lines)
            if found >= lines:
                return _first_lines(bytes(self._held), lines)
            if counted > most_bytes:
                return bytes(self._held[: self._held.rfind(b"\n", 0, most_bytes) + 1 or most_bytes])
            chunk = next(self._chunks, None)
        return bytes(self._held)

    @property
    def end(self) -> int:
        """Up to where content was read."""
        return self.offset + len(self._held)

    def skip(self, count: int) -> None:
        """Goes on `count` bytes further, or to the end. Holds at most one chunk of the bytes that it passes over."""
        end = self.offset + count
        while self.end < end and (chunk := next(self._chunks, None)) is not None:
            self.offset = self.end
            self._held[:] = chunk
        self.take(end)

    def take(self, end: int) -> None:
        """Goes on at byte `end` of the content."""
        del self._held[: end - self.offset]
        self.offset = end

    def from_here(self) -> Iterator[bytes]:
        """All content from here on. Bytes that a reader may have read ahead stay until they are taken."""
        yield bytes(self._held)
        for chunk in self._chunks:
            self._held += chunk
            if len(self._held) > 2 * _READ_AHEAD_BYTES:  # not at each chunk: it moves the bytes that stay
                self.take(self.end - _READ_AHEAD_BYTES)
            yield chunk


def _first_lines(content: bytes, lines: int) -> bytes:
    """The first `lines` lines of content that has as many. To split is faster than to look for each line end."""
    return content[: len(content) - len(content.split(b"\n", lines)[-1])]
