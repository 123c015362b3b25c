"""Reads the batches of one object version, from any place where its import goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from mailroom.invoices.columnar import RowBatch, Stamp, read_batches
from mailroom.invoices.files import Dialect
from mailroom.invoices.files.lines import without_first
from mailroom.invoices.files.opening import content_of, open_file
from mailroom.invoices.presets.selection import Selected, Selection
from mailroom.platform.objects import ObjectStore, ObjectVersion

# A batch ends after this many bytes too: it is in memory several times, as text, columns, documents and message.
BATCH_BYTES = 1 << 20

# Bytes that other workers took are skipped within one answer of the object store, up to this many. A new answer costs
# as much as reading them, and loses the cache of values that repeat.
_SKIPPED_BYTES = 16 << 20

_RENEW_SECONDS = 1.0


class ImportSource(msgspec.Struct):
    """Holds one answer of the object store until it is closed, and the caches of the fast path.

    `stamp` makes the stamp of a batch from the time. `known` is the dialect, or None until it is found. `preset` is the
    name of the preset that was asked for, or empty; presets count as they were at `presets_at`.
    """

    objects: ObjectStore
    version: ObjectVersion
    known: Dialect | None
    selection: Selection
    preset: str
    presets_at: datetime
    batch_rows: int
    stamp: Callable[[datetime], Stamp]
    _selected: Selected | None = None
    _renew: Callable[[], None] = lambda: None
    _renewed_at: float = 0.0
    _answer: Generator[bytes] | None = None
    _batches: Generator[RowBatch, tuple[int, int] | None] | None = None
    _at: int = 0
    _now: datetime = datetime.fromtimestamp(0, UTC)

    @property
    def dialect(self) -> Dialect:
        if self.known is None:
            raise AssertionError("no batch was read yet")
        return self.known

    @property
    def seekable(self) -> bool:
        """Whether an offset of the content is an offset of the object, so that reading can begin there."""
        return self.dialect.compression == "none"

    def read(
        self, offset: int, row: int, now: datetime, renew: Callable[[], None], end: int | None = None
    ) -> RowBatch | None:
        """The batch that begins at byte `offset` of the content, after row `row`, and ends at `end` at the latest.

        None at the end. Calls `renew` every second while it reads a compressed file or a workbook: to find the place
        to go on from, or the next row, may take longer than a lease.

        Raises:
            FileRejected: the file cannot be read on, or the preset is not there.
            ObjectGone, Unavailable: as the object store.
        """
        self._now, self._renew, self._renewed_at = now, renew, time.monotonic()
        ahead = offset - self._at
        if self._batches is not None and 0 <= ahead <= _SKIPPED_BYTES and end is None:
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
        self.close()
        # Compressed content cannot be addressed in the object: it is read from its start.
        start = offset if self.known and self.seekable else 0
        raw = self._answer = self._bytes_from(start)
        if self.known is None:
            metadata = self.objects.metadata(self.version)
            selected = self.selection.select(self.version.key, metadata, self.preset, self.presets_at)
            dialect, body = open_file(raw, selected.rules, self._renewing)
            self.known = replace(dialect, preset=selected.version)
        else:
            selected = self._selected or self.selection.of_dialect(self.version.key, self.known.preset)
            body = content_of(raw, self.known, self._renewing)
            if offset > start:
                body = without_first(body, offset - start)
        self._selected = selected
        return read_batches(
            body if end is None else _first(body, end - offset),
            self.known,
            selected.rules,
            offset=offset,
            row=row,
            most_rows=self.batch_rows,
            most_bytes=BATCH_BYTES,
            stamp=lambda: self.stamp(self._now),
        )

    def _bytes_from(self, start: int) -> Generator[bytes]:
        if start >= self.version.size > 0:
            return  # a range that begins at the end is an error to S3
        with self.objects.read(self.version, start) as stream:
            yield from stream

    def _renewing(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        """The same stream without its empty blocks. Renews the lease now and then."""
        for some in stream:
            if time.monotonic() - self._renewed_at > _RENEW_SECONDS:
                self._renew()
                self._renewed_at = time.monotonic()
            if some:
                yield some

    def close(self) -> None:
        """Ends the answer of the object store."""
        if self._answer is not None:
            self._answer.close()


def _first(stream: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The same stream, ended after `count` bytes."""
    for some in stream:
        yield some[:count]
        count -= len(some)
        if count <= 0:
            return
