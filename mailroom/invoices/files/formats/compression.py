"""The content of an object: gzip is decompressed, and a sheet of a workbook is written as CSV."""

import zlib
from collections.abc import Iterable, Iterator

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.errors import FileRejected
from mailroom.invoices.files.formats.workbooks import held_workbook, sheet_content

GZIP_MAGIC = b"\x1f\x8b"

_BLOCK = 256 * 1024
_INPUT_BYTES = 16 * 1024
"""zlib copies what it did not take after each member: from small inputs it copies little."""
_FREE_INPUT_BYTES = 1 << 20
_MAX_GROWTH = 2
"""gzip makes content at most a little longer, and a member of one short row a third longer. Empty members, long headers
and padding make a file longer without end."""
_FREE_BYTES = 64 << 20
"""Content below this size is never called a bomb."""
_MAX_RATIO = 250
"""Invoice files shrink 5 to 20 times, made-up ones up to 100; a bomb about 1,000 times."""


def content(chunks: Iterable[bytes], dialect: Dialect) -> Iterator[bytes]:
    """The file's content, given all of the object's bytes.

    Some blocks are empty: see `decompress` and `sheet_content`.
    Raises FileRejected `file.gzip_corrupt`, `file.workbook_corrupt`, `file.sheet_missing` or `file.too_large` while it
    is read.
    """
    if dialect.compression == "gzip":
        chunks = decompress(chunks)
    elif dialect.compression == "xlsx":
        chunks = sheet_content(held_workbook(chunks), dialect.sheet_mark, dialect.sheet)
    return iter(chunks)


def decompress(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress gzip data of one or more members, in blocks of at most 256 KiB.

    Yields an empty block after each piece of the data, so that its caller can renew a lease while no content comes.
    Raises FileRejected `file.gzip_corrupt`, or `file.too_large` when the content has more than 250 times the size of
    the data, or the data more than twice the size of the content.
    """
    engine = zlib.decompressobj(wbits=31)
    taken = given = 0
    for data in _cut(chunks):
        taken += len(data)
        if taken > _FREE_INPUT_BYTES + _MAX_GROWTH * given:
            message = "The gzip file is more than twice as large as its content: pack it anew, or upload it unpacked."
            raise FileRejected("file.too_large", message)
        full = False
        while data or full:
            if engine.eof:
                if not data.strip(b"\0"):  # padding after the last member is allowed
                    break
                engine = zlib.decompressobj(wbits=31)
            try:
                block = engine.decompress(data, _BLOCK)
            except zlib.error as error:
                raise FileRejected("file.gzip_corrupt", f"The gzip data is damaged ({error}).") from error
            data = engine.unconsumed_tail or engine.unused_data
            full = len(block) == _BLOCK  # more may wait inside although all input is taken
            given += len(block)
            if given > _FREE_BYTES and given > _MAX_RATIO * taken:
                raise FileRejected("file.too_large", f"The gzip file unfolds to more than {_MAX_RATIO} times its size.")
            if block:
                yield block
        yield b""
    if not engine.eof:
        raise FileRejected("file.gzip_corrupt", "The gzip data ends too early: upload the file again.")


def _cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), _INPUT_BYTES):
            yield chunk[start : start + _INPUT_BYTES]


def decompressed_head(head: bytes, limit: int, *, complete: bool) -> tuple[bytes, bool]:
    """The first `limit` bytes of the content, and whether that is all of it."""
    content = bytearray()
    try:
        for block in decompress([head]):
            content += block
            if len(content) > limit:
                return bytes(content[:limit]), False
    except FileRejected:
        # A head that is cut off always ends too early. Damage further on is found when the whole file is read.
        if complete or not content:
            raise
        return bytes(content), False
    return bytes(content), complete
