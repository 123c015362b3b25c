"""Reads the batches of one object version, from any place where its import goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec.structs import replace

from mailroom.invoices.columnar import Refuse, RowBatch, Stamp, read_batches
from mailroom.invoices.files import Dialect, FileRejected, Rules
from mailroom.invoices.files.formats.lines import without_first
from mailroom.invoices.files.headers.programs import rules_of
from mailroom.invoices.files.opening import content_of, open_file
from mailroom.invoices.model.metadata import METADATA_HOLD
from mailroom.invoices.presets.selection import Selected, Selection
from mailroom.platform.objects import ObjectStore, ObjectVersion

if TYPE_CHECKING:
    import pyarrow as pa

    from mailroom.invoices.columnar.key_reader import FoundRows, RowKeys

T = TypeVar("T")

# A batch ends after this many bytes too: it is in memory several times, as text, columns, documents and message.
BATCH_BYTES = 1 << 20

# Rows are compared in blocks of this size.
COMPARED_BYTES = 1 << 20

# Bytes that other workers took are skipped within one answer of the object store, up to this many. A new answer costs
# as much as reading them, and loses the cache of values that repeat.
_SKIPPED_BYTES = 16 << 20

_RENEW_SECONDS = 1.0


class FileHeld(Exception):
    """The file was uploaded to be looked at before it is imported, and nobody has approved it yet."""


class ImportSource(msgspec.Struct):
    """Holds one answer of the object store until it is closed, and the caches of the fast path.

    `stamp` makes the stamp of a batch from the time. `known` is the dialect, or None until it is found. `preset` is the
    name of the preset that was asked for, or empty; presets count as they were at `presets_at`. `may_hold`: nobody has
    approved the import yet.
    """

    objects: ObjectStore
    version: ObjectVersion
    known: Dialect | None
    selection: Selection
    preset: str
    presets_at: datetime
    batch_rows: int
    stamp: Callable[[datetime], Stamp]
    may_hold: bool = False
    _selected: Selected | None = None
    _renew: Callable[[], None] = lambda: None
    _renewed_at: float = 0.0
    _answer: Generator[bytes] | None = None
    _batches: Generator[RowBatch, tuple[int, int] | None] | None = None
    _at: int = 0
    _end: int = -1
    _refuse: Refuse = lambda batch: {}
    _now: datetime = datetime.fromtimestamp(0, UTC)

    @property
    def dialect(self) -> Dialect:
        if self.known is None:
            raise AssertionError("no batch was read yet")
        return self.known

    @property
    def rules(self) -> Rules:
        if self._selected is None:
            raise AssertionError("no batch was read yet")
        return rules_of(self.dialect, self._selected.rules)

    @property
    def seekable(self) -> bool:
        """Whether an offset of the content is an offset of the object, so that reading can begin there."""
        return self.dialect.compression == "none"

    def read(
        self,
        offset: int,
        row: int,
        now: datetime,
        renew: Callable[[], None],
        end: int | None = None,
        refuse: Refuse = lambda batch: {},
    ) -> RowBatch | None:
        """The batch that begins at byte `offset` of the content, after row `row`, and ends at `end` at the latest.

        Rows of the invoices that `refuse` names are rejected. None at the end. Calls `renew` every second while it
        reads a compressed file or a workbook: to find the place to go on from, or the next row, may take longer than a
        lease.

        Raises:
            FileHeld: it `may_hold`, and was uploaded so.
            FileRejected: the file cannot be read on, or the preset is not there.
            ObjectGone, Unavailable: as the object store.
        """
        if offset == self._end:
            return None
        self._now, self._renew, self._renewed_at, self._refuse = now, renew, time.monotonic(), refuse
        ahead = offset - self._at
        if self._batches is not None and 0 <= ahead <= _SKIPPED_BYTES and end is None:
            try:
                batch = self._batches.send((offset, row) if ahead else None)
            except StopIteration:
                batch = None
        else:
            self._batches = self._open(offset, row, end)
            batch = next(self._batches, None)
        if batch is None and end is None:
            self._end = offset
        if batch is None or end is not None:
            self._batches = None
        else:
            self._at = batch.end
        return batch

    def is_last(self, batch: RowBatch) -> bool:
        """Whether the content ends with a batch that was just read. May read the next one."""
        if self.seekable:
            return batch.end >= self.version.size
        try:
            return self.read(batch.end, batch.row, self._now, self._renew) is None
        except FileRejected:
            return False  # reading the next batch reports the error

    def keys(self, offset: int, row: int, now: datetime, renew: Callable[[], None]) -> Iterator[RowKeys]:
        """The keys of all rows from byte `offset` on, after row `row`, up to where the file can be read.

        Calls `renew` as `read`, and raises as it does if the beginning of the file cannot be read.
        """
        from mailroom.invoices.columnar.key_reader import read_keys  # loads pyarrow

        body = self._whole(offset, now, renew)
        stamp = self.stamp(now)
        return _readable(read_keys(body, self.dialect, self.rules, stamp, offset=offset, row=row, block=COMPARED_BYTES))

    def rows(
        self, wanted: pa.Array, offset: int, row: int, now: datetime, renew: Callable[[], None]
    ) -> Iterator[FoundRows]:
        """The rows with the keys `wanted`, as `keys`."""
        from mailroom.invoices.columnar.key_reader import read_rows  # loads pyarrow

        body = self._whole(offset, now, renew)
        found = read_rows(
            body, self.dialect, self.rules, self.stamp(now), offset=offset, row=row, block=COMPARED_BYTES, wanted=wanted
        )
        return _readable(found)

    def _whole(self, offset: int, now: datetime, renew: Callable[[], None]) -> Iterator[bytes]:
        """The content from byte `offset` on, for another purpose than batches."""
        self._now, self._renew, self._renewed_at = now, renew, time.monotonic()
        self._batches = None
        return self._renewing(self._content_from(offset))

    def _open(self, offset: int, row: int, end: int | None) -> Generator[RowBatch, tuple[int, int] | None]:
        body = self._content_from(offset)
        return read_batches(
            body if end is None else _first(body, end - offset),
            self.dialect,
            self.rules,
            offset=offset,
            row=row,
            most_rows=self.batch_rows,
            most_bytes=BATCH_BYTES,
            stamp=lambda: self.stamp(self._now),
            refuse=lambda batch: self._refuse(batch),
        )

    def _content_from(self, offset: int) -> Iterator[bytes]:
        """The content from byte `offset` on. Finds the dialect, if it is not known."""
        self.close()
        # Compressed content cannot be addressed in the object: it is read from its start.
        start = offset if self.known and self.seekable else 0
        raw = self._answer = self._bytes_from(start)
        if self.known is None:
            metadata = self.objects.metadata(self.version)
            if self.may_hold and metadata.get(METADATA_HOLD):
                raise FileHeld
            selected = self.selection.select(self.version.key, metadata, self.preset, self.presets_at)
            dialect, body = open_file(raw, selected.rules, self._renewing)
            self.known = replace(dialect, preset=selected.version)
        else:
            selected = self._selected or self.selection.of_dialect(self.version.key, self.known.preset)
            body = content_of(raw, self.known, self._renewing)
            if offset > start:
                body = without_first(body, offset - start)
        self._selected = selected
        return body

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


def _readable(found: Iterator[T]) -> Iterator[T]:
    """Yields items until the file cannot be read. Reading the batches reports the error."""
    with suppress(FileRejected):
        yield from found


def _first(stream: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The same stream, ended after `count` bytes."""
    for some in stream:
        yield some[:count]
        count -= len(some)
        if count <= 0:
            return
