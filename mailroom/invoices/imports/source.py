"""Reads the batches of one object version, from wherever its import goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from itertools import chain

from msgspec.structs import replace

from mailroom.invoices.columnar import RowBatch, Stamp, read_batches
from mailroom.invoices.files import Dialect, Rules, content, detect, held_workbook, is_workbook, sheet_content
from mailroom.invoices.files.lines import without_first
from mailroom.invoices.files.rules import DecimalMark
from mailroom.invoices.imports.profiles import mapped
from mailroom.platform.objects import ObjectStore, ObjectVersion

HEAD_BYTES = 256 * 1024

# A batch ends after so many bytes too: it is held many times over, as text, columns, documents and message.
BATCH_BYTES = 1 << 20

# What other workers took is passed over within one answer of the object store if it is no more than this. A new one
# costs as much as reading so many bytes, and what was remembered of the values that repeat.
_PASSED_OVER_BYTES = 16 << 20

_RENEW_SECONDS = 1.0


class Reading:
    """Holds one answer of the object store, until it is closed, and what the fast path remembers.

    `stamp` makes that of a batch from the time. `dialect` is None as long as nobody knows it. `renew` is called every
    second while what is done already is passed over: of a large workbook that takes longer than a lease.
    """

    def __init__(
        self,
        objects: ObjectStore,
        version: ObjectVersion,
        dialect: Dialect | None,
        rules: Rules,
        batch_rows: int,
        stamp: Callable[[datetime], Stamp],
        renew: Callable[[], None],
    ) -> None:
        self._objects = objects
        self._version = version
        self._found = dialect
        self._rules = rules
        self._batch_rows = batch_rows
        self._stamp = stamp
        self._renew = renew
        self._answer: Generator[bytes] | None = None
        self._batches: Generator[RowBatch, tuple[int, int] | None] | None = None
        self._at = 0
        self._now: datetime

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def dialect(self) -> Dialect:
        if self._found is None:
            raise AssertionError("no batch was read yet")
        return self._found

    @property
    def addressed(self) -> bool:
        """Whether an offset of the content is one of the object: whoever goes on there need not read what is before."""
        return self.dialect.compression == "none"

    def batch(self, offset: int, row: int, now: datetime, end: int | None = None) -> RowBatch | None:
        """The batch that begins at byte `offset` of the content, behind the row `row`, and is before `end`, if given.

        None at the end. Raises:
            FileRejected: the file cannot be read on.
            ObjectGone, Unavailable: as the object store.
        """
        self._now = now
        ahead = offset - self._at
        if self._batches is not None and 0 <= ahead <= _PASSED_OVER_BYTES and end is None:
            try:
                batch = self._batches.send((offset, row) if ahead else None)
            except StopIteration:
                batch = None
        else:
            self._batches = self._open(offset, row, end)
            batch = next(self._batches, None)
        if batch is None or end is not None:
            self._batches = None
        else:
            self._at = batch.end
        return batch

    def _open(self, offset: int, row: int, end: int | None) -> Generator[RowBatch, tuple[int, int] | None]:
        self._close()
        # Compressed content has no address in the object: it is read from the start, and what is done is skipped.
        start = offset if self._found and self.addressed else 0
        chunks = self._chunks(start)
        if self._found is None:
            self._found, body = _open(chunks, mapped(self._rules, self._objects.metadata(self._version)))
        else:
            body = content(chunks, self._found)
            if offset > start:
                body = without_first(_now_and_then(self._renew, body), offset - start)
        return read_batches(
            body if end is None else _first(body, end - offset),
            self._found,
            self._rules,
            offset=offset,
            row=row,
            most_rows=self._batch_rows,
            most_bytes=BATCH_BYTES,
            stamp=lambda: self._stamp(self._now),
        )

    def _chunks(self, start: int) -> Iterator[bytes]:
        if start >= self._version.size > 0:
            return iter(())  # a range that begins at the end is an error to S3
        self._answer = self._read(start)
        return self._answer

    def _read(self, start: int) -> Generator[bytes]:
        with self._objects.read(self._version, start) as chunks:
            yield from chunks

    def _close(self) -> None:
        if self._answer is not None:
            self._answer.close()


def _now_and_then(renew: Callable[[], None], chunks: Iterator[bytes]) -> Iterator[bytes]:
    called_at = time.monotonic()
    for chunk in chunks:
        if time.monotonic() - called_at > _RENEW_SECONDS:
            renew()
            called_at = time.monotonic()
        yield chunk


def _open(chunks: Iterator[bytes], rules: Rules) -> tuple[Dialect, Iterator[bytes]]:
    """The dialect of the object, and its content from the start."""
    head, complete, chunks = _head(chunks)
    if not is_workbook(head):
        dialect = detect(head, rules, complete=complete)
        return dialect, content(chunks, dialect)
    held = held_workbook(chunks)
    mark: DecimalMark = rules.decimal_mark or "."
    while True:
        head, complete, body = _head(sheet_content(held, mark))
        dialect = detect(head, replace(rules, encoding="utf-8"), complete=complete)
        if dialect.decimal_mark in (mark, ""):
            return replace(dialect, compression="xlsx", sheet_mark=mark), body
        # Numbers have to be written with the mark that they are read by: a hint, or other cells, told it.
        mark, rules = dialect.decimal_mark, replace(rules, decimal_mark=dialect.decimal_mark)


def _head(chunks: Iterator[bytes]) -> tuple[bytes, bool, Iterator[bytes]]:
    """The first bytes, whether they are all, and all chunks again."""
    head, complete = bytearray(), True
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD_BYTES:
            complete = False
            break
    return bytes(head[:HEAD_BYTES]), complete, chain([bytes(head)], chunks)


def _first(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The same stream, ended after `count` bytes."""
    for chunk in chunks:
        yield chunk[:count]
        count -= len(chunk)
        if count <= 0:
            return
