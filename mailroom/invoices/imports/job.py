"""A claimed import and its open chunks, as a worker knows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from bson import ObjectId

from mailroom.platform.mongo import Document
from mailroom.platform.objects import ObjectVersion

if TYPE_CHECKING:
    from mailroom.invoices.columnar import RowBatch

COUNTS = ("rows", "inserted", "updated", "unchanged", "stale", "rejected", "setApart")

REJECTED = "checkpoint.counts.rejected"
"""The field of an import that counts its rejected rows."""

VERSION_FIELDS = ("bucket", "key", "versionId", "etag", "size", "modifiedAt")
"""The fields of an import that hold its `ObjectVersion`, in the order of that."""

_ID_BYTES, _KEPT_BYTES = 12, 4


class Checkpoint(msgspec.Struct, frozen=True, rename="camel"):
    """How far an import has got. Everything before `offset` (bytes of content) is counted, except open chunks.

    `rejected` counts the bad rows before `offset`, also those of open chunks; `rejected_bytes` is their size.
    """

    offset: int
    row: int
    rejected: int
    counts: dict[str, int]
    rejected_bytes: int = 0


class Chunk(msgspec.Struct, frozen=True, rename="camel"):
    """The bytes of content from `offset` to `end`, after row `row`. The worker with `epoch` has it until `due_at`.

    `rejected` is the number of rejected rows before it, `rejected_bytes` their size, `attempts` how often it was begun.
    `ids` are its invoices, each as the first bytes of its id: nearly always enough to find that two chunks have no
    invoice in common.
    """

    offset: int
    end: int
    row: int
    rejected: int
    ids: bytes
    attempts: int
    epoch: int
    due_at: datetime
    rejected_bytes: int = 0

    @property
    def key(self) -> str:
        return f"{self.offset:012x}"

    def shares_invoices(self, other: Chunk) -> bool:
        """Whether both may have rows of one invoice. Loads pyarrow."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.ids or not other.ids:
            return False
        mine, theirs = (
            pa.Array.from_buffers(pa.uint32(), len(ids) // _KEPT_BYTES, [None, pa.py_buffer(ids)])
            for ids in (self.ids, other.ids)
        )
        return bool(pc.any(pc.is_in(mine, theirs)).as_py())


class Comparison(msgspec.Struct, frozen=True, rename="camel"):
    """How far the rows of a file have been compared, before its first batch is written: see `comparison.py`.

    `begun` is the epoch of the lease under which it began. Two steps go through the file, each with its progress in
    `offset` and `row`: the first makes `portions` of keys until it is `scanned`, the second looks at the rows whose key
    is repeated, of the keys from `part` on. `looked`: there were such rows.
    """

    begun: int = 0
    offset: int = 0
    row: int = 0
    portions: tuple[str, ...] = ()
    scanned: bool = False
    part: int = 0
    looked: bool = False
    done: bool = False


class ImportJob(msgspec.Struct, frozen=True, rename="camel"):
    """A claimed import, as it was when its lease began or was renewed, at `leased_at`.

    `epoch` is the lease's: pass the job to every later write. `chunks` are the open ones, in the order of the file.
    `writes_as` is the import that the invoices name: the job itself or, for a dry run, the real import.
    `preset` is the name of the one that was asked for; presets count as they were at `presets_at`.
    `approved`: a person wants it imported, so it is not held.
    """

    id: ObjectId = msgspec.field(name="_id")
    version: ObjectVersion
    order_ms: int = msgspec.field(name="orderTime")
    epoch: int
    attempts: int
    checkpoint: Checkpoint
    dialect: Document | None
    dry_run: bool
    writes_as: ObjectId
    chunks: tuple[Chunk, ...]
    leased_at: datetime
    presets_at: datetime
    preset: str = ""
    comparison: Comparison | None = None
    approved: bool = False

    @property
    def abandoned(self) -> Chunk | None:
        """The first chunk, if its worker let the lease end. Later chunks may have to wait for it."""
        first = self.chunks[0] if self.chunks else None
        return first if first and first.due_at <= self.leased_at else None

    @property
    def in_progress(self) -> Chunk | None:
        """The leased chunk whose lease ends first."""
        leased = (chunk for chunk in self.chunks if chunk.due_at > self.leased_at)
        return min(leased, key=lambda chunk: chunk.due_at, default=None)


def job_of(document: Document, now: datetime) -> ImportJob:
    """An import as MongoDB keeps it."""
    checkpoint = document["checkpoint"]
    # An import that an earlier version began may have no `rejected`, no `rejectedBytes` and no chunks.
    read = {
        "checkpoint": {"rejected": checkpoint["counts"]["rejected"]} | checkpoint,
        "version": ObjectVersion(*(document[name] for name in VERSION_FIELDS)),
        "chunks": chunks_of(document),
        "leasedAt": now,
        "presetsAt": document.get("presetsAt", document["createdAt"]),  # earlier versions do not write it
    }
    return msgspec.convert(document | read, ImportJob)


def checkpoint_after(before: Checkpoint | Chunk, batch: RowBatch, counts: dict[str, int]) -> Checkpoint:
    """How far an import has got with a batch that begins at `before`."""
    rejected, size = before.rejected + len(batch.rejected), before.rejected_bytes + batch.rejected_bytes
    return Checkpoint(batch.end, batch.row, rejected, counts, size)


def chunks_of(job: Document) -> tuple[Chunk, ...]:
    """The open chunks of an import as MongoDB keeps it, in the order of the file."""
    open_ = job.get("parts") or {}
    ids = job.get("partIds") or {}
    return tuple(msgspec.convert(open_[key] | {"ids": ids.get(key, b"")}, Chunk) for key in sorted(open_))


def bytes_read(job: Document) -> int:
    """How many bytes of content an import has written and counted. `job` is as MongoDB keeps it."""
    offset: int = job["checkpoint"]["offset"]
    return offset - sum(chunk.end - chunk.offset for chunk in chunks_of(job))


def first_bytes(ids: Sequence[bytes]) -> bytes:
    """The `ids` of a chunk that has these invoices."""
    step = _ID_BYTES // _KEPT_BYTES
    return memoryview(b"".join(ids)).cast("I")[::step].tobytes()
