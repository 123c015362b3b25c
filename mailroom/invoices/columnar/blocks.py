"""Cuts content into blocks of whole lines, and lets a reader that needs more than its block go on behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# The row-wise reader reads ahead of its last row by at most one row of the longest kind, in UTF-16, and one chunk.
# Bytes further back are dropped: else a line of any length would be held.
_READ_AHEAD_BYTES = 4 << 20

_SAMPLE_BYTES = 1 << 14


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
        guess = min(most_bytes, self._guess(lines))
        self._hold(guess)
        count = self._held.count(b"\n", 0, guess)
        if count >= lines:
            end = _behind_lines(self._held, lines, min(guess, len(self._held)))
        else:
            end = self._end(self._held.rfind(b"\n", 0, guess) + 1, lines - count, most_bytes)
        with memoryview(self._held) as held:
            return bytes(held[:end])

    def _end(self, begin: int, lines: int, most_bytes: int) -> int:
        """Where `lines` more lines from `begin` on end, or fewer."""
        end = begin
        for _ in range(lines):
            at = self._held.find(b"\n", end)
            while at < 0 and len(self._held) <= most_bytes and (chunk := next(self._chunks, None)) is not None:
                searched = len(self._held)
                self._held += chunk
                at = self._held.find(b"\n", searched)
            if at < 0 or at >= most_bytes:
                whole = at < 0 and len(self._held) <= most_bytes
                return len(self._held) if whole or end == 0 else end
            end = at + 1
        return end

    def _guess(self, lines: int) -> int:
        """Mostly a little less than the size of so many lines, from the first ones.

        To count is much faster than to find each line end. Where there are too many lines, they are counted again.
        """
        self._hold(_SAMPLE_BYTES)
        sample = min(len(self._held), _SAMPLE_BYTES)
        return lines * sample * 63 // (64 * max(1, self._held.count(b"\n", 0, sample)))

    def _hold(self, size: int) -> None:
        """Reads until more than `size` bytes are held, or all."""
        while len(self._held) <= size and (chunk := next(self._chunks, None)) is not None:
            self._held += chunk

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


def _behind_lines(content: bytearray, lines: int, limit: int) -> int:
    """The place behind the first `lines` line ends. There are as many before `limit`."""
    begin = 0
    while limit - begin > 1024:
        middle = (begin + limit) // 2
        before = content.count(b"\n", begin, middle)
        if before >= lines:
            limit = middle
        else:
            begin, lines = middle, lines - before
    for _ in range(lines):
        begin = content.index(b"\n", begin) + 1
    return begin
