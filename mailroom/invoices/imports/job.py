"""A claimed import and its open chunks, as a worker knows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from bson import ObjectId

from mailroom.platform.mongo import Document
from mailroom.platform.objects import ObjectVersion

COUNTS = ("rows", "inserted", "updated", "unchanged", "stale", "rejected")

_ID_BYTES, _KEPT_BYTES = 12, 4


class Checkpoint(msgspec.Struct, frozen=True):
    """How far an import has got. Everything before `offset` (bytes of content) is counted, except open chunks.

    `rejected` counts the bad rows before `offset`, also those of open chunks.
    """

    offset: int
    row: int
    rejected: int
    counts: dict[str, int]

    @staticmethod
    def start() -> Checkpoint:
        return Checkpoint(0, 0, 0, dict.fromkeys(COUNTS, 0))

    def to_document(self) -> Document:
        return {"offset": self.offset, "row": self.row, "rejected": self.rejected, "counts": self.counts}


class Chunk(msgspec.Struct, frozen=True):
    """The bytes of content from `offset` to `end`, behind the row `row`. The worker with `epoch` has it until `due_at`.

    `rejected` is the number of rejected rows before it, `attempts` how often it was begun. `ids` are its invoices, each
    as the first bytes of its id: nearly always enough to find that two chunks have no invoice in common.
    """

    offset: int
    end: int
    row: int
    rejected: int
    ids: bytes
    attempts: int
    epoch: int
    due_at: datetime

    @property
    def key(self) -> str:
        return f"{self.offset:012x}"

    def shares_invoices(self, other: Chunk) -> bool:
        """Whether both may have rows of one invoice. Loads pyarrow."""
        import pyarrow as pa

        from mailroom.invoices.columnar import kernels

        if not self.ids or not other.ids:
            return False
        mine, theirs = (
            pa.Array.from_buffers(pa.uint32(), len(ids) // _KEPT_BYTES, [None, pa.py_buffer(ids)])
            for ids in (self.ids, other.ids)
        )
        return bool(kernels.any_(kernels.is_in(mine, theirs)).as_py())

    def to_document(self) -> Document:
        """Without `ids`, which are kept apart: they are large, and only other workers read them."""
        return {
            "offset": self.offset,
            "end": self.end,
            "row": self.row,
            "rejected": self.rejected,
            "attempts": self.attempts,
            "epoch": self.epoch,
            "dueAt": self.due_at,
        }


class ImportJob(msgspec.Struct, frozen=True):
    """A claimed import, as it was when its lease began or was renewed, at `leased_at`.

    `epoch` is the lease's: pass the job to every later write. `chunks` are the open ones, in the order of the file.
    `writes_as` is the import that the invoices name: the job itself or, for a dry run, the real import.
    """

    id: ObjectId
    version: ObjectVersion
    order_ms: int
    epoch: int
    attempts: int
    checkpoint: Checkpoint
    dialect: Document | None
    dry_run: bool
    writes_as: ObjectId
    chunks: tuple[Chunk, ...]
    leased_at: datetime

    @property
    def abandoned(self) -> Chunk | None:
        """The first chunk, if its worker let the lease end. Chunks behind it may have to wait for it."""
        first = self.chunks[0] if self.chunks else None
        return first if first and first.due_at <= self.leased_at else None

    @property
    def in_progress(self) -> Chunk | None:
        """The leased chunk whose lease ends first."""
        leased = (chunk for chunk in self.chunks if chunk.due_at > self.leased_at)
        return min(leased, key=lambda chunk: chunk.due_at, default=None)


def job_of(document: Document, now: datetime) -> ImportJob:
    """An import as MongoDB keeps it."""
    saved = document["checkpoint"]
    counts = saved["counts"]
    # An import that an earlier version began has no `rejected`, and no chunks.
    checkpoint = Checkpoint(saved["offset"], saved["row"], saved.get("rejected", counts["rejected"]), counts)
    return ImportJob(
        id=document["_id"],
        version=ObjectVersion(
            bucket=document["bucket"],
            key=document["key"],
            version_id=document["versionId"],
            etag=document["etag"],
            size=document["size"],
            modified_ms=document["modifiedAt"],
        ),
        order_ms=document["orderTime"],
        epoch=document["epoch"],
        attempts=document["attempts"],
        checkpoint=checkpoint,
        dialect=document["dialect"],
        dry_run=document["dryRun"],
        writes_as=document["writesAs"],
        chunks=chunks_of(document),
        leased_at=now,
    )


def chunks_of(job: Document) -> tuple[Chunk, ...]:
    """The open chunks of an import as MongoDB keeps it, in the order of the file."""
    open_ = job.get("parts") or {}
    ids = job.get("partIds") or {}
    return tuple(_chunk(open_[key], ids.get(key, b"")) for key in sorted(open_))


def bytes_read(job: Document) -> int:
    """How many bytes of content an import has written and counted. `job` is as MongoDB keeps it."""
    offset: int = job["checkpoint"]["offset"]
    return offset - sum(chunk.end - chunk.offset for chunk in chunks_of(job))


def first_bytes(ids: Sequence[bytes]) -> bytes:
    """The `ids` of a chunk that has these invoices."""
    step = _ID_BYTES // _KEPT_BYTES
    return memoryview(b"".join(ids)).cast("I")[::step].tobytes()


def _chunk(document: Document, ids: bytes) -> Chunk:
    return Chunk(
        offset=document["offset"],
        end=document["end"],
        row=document["row"],
        rejected=document["rejected"],
        ids=ids,
        attempts=document["attempts"],
        epoch=document["epoch"],
        due_at=document["dueAt"],
    )
