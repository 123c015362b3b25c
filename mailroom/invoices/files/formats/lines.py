"""Physical lines of a byte stream, each with its exact length, in bounded memory."""

import codecs
from collections.abc import Callable, Iterable, Iterator

import msgspec

PREFIX_BYTES = 4096
"""How much is kept of a line that is too long: enough to recognise it."""

_TORN = b"\xff"
"""Stands for the odd last byte of a UTF-16 stream. Never part of valid UTF-8, so the line is refused as undecodable."""


class Oversize(msgspec.Struct, frozen=True):
    """A line longer than the limit: its beginning, and its length in bytes of the content."""

    prefix: bytes
    size: int


def lines(chunks: Iterable[bytes], limit: int, measure: Callable[[bytes], int]) -> Iterator[bytes | Oversize]:
    """Split at CR, LF and CRLF, keeping the line ends. Holds at most `limit` bytes and one chunk.

    `measure` gives the length of some bytes in bytes of the content (`len` unless it was transcoded).
    """
    pending: list[bytes] = []
    held = 0
    prefix, dropped = b"", 0  # of the current line, once it is too long

    def finished(line: bytes) -> bytes | Oversize:
        if dropped:
            return Oversize((prefix + line)[:PREFIX_BYTES], dropped + measure(line))
        return line if len(line) <= limit else Oversize(line[:PREFIX_BYTES], measure(line))

    for chunk in chunks:
        after_cr = bool(pending) and pending[-1].endswith(b"\r")
        pending.append(chunk)
        held += len(chunk)
        if not after_cr and b"\n" not in chunk and b"\r" not in chunk:
            if held > limit:
                line = b"".join(pending)
                prefix = (prefix + line[:PREFIX_BYTES])[:PREFIX_BYTES]
                dropped += measure(line)
                pending, held = [], 0
            continue
        found = b"".join(pending).splitlines(keepends=True)
        # A CR at the very end may be half of a CRLF: wait for the next chunk.
        tail = b"" if not found or found[-1].endswith(b"\n") else found.pop()
        pending, held = ([tail], len(tail)) if tail else ([], 0)
        if dropped and found:
            yield finished(found[0])
            prefix, dropped = b"", 0
            del found[0]
        for line in found:
            yield line if len(line) <= limit else finished(line)
    rest = b"".join(pending)
    if rest or dropped:
        yield finished(rest)


def utf16_as_utf8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Transcode so that lines can be split as bytes. Lone surrogates stay visible as invalid UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    for chunk in chunks:
        text = decoder.decode(chunk)
        if text:
            yield text.encode("utf-8", "surrogatepass")
    left = decoder.getstate()[0]
    decoder.reset()
    text = decoder.decode(left[: len(left) & ~1], final=True)
    if text:
        yield text.encode("utf-8", "surrogatepass")
    if len(left) % 2:
        yield _TORN


def utf16_size(utf8: bytes) -> int:
    """The number of bytes in UTF-16 of some bytes made by `utf16_as_utf8`."""
    if utf8.endswith(_TORN):
        return utf16_size(utf8[:-1]) + 1
    return len(utf8.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass"))


def without_first(chunks: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The same stream without its first `count` bytes."""
    for chunk in chunks:
        if count >= len(chunk):
            count -= len(chunk)
            continue
        yield chunk[count:] if count else chunk
        count = 0
