"""A claimed import, as its worker knows it."""

from __future__ import annotations

from datetime import datetime

import msgspec
from bson import ObjectId

from mailroom.invoices.imports.chunks import Part, parts_of
from mailroom.platform.mongo import Document
from mailroom.platform.objects import ObjectVersion

COUNTS = ("rows", "inserted", "updated", "unchanged", "stale", "rejected")


class Checkpoint(msgspec.Struct, frozen=True):
    """How far an import has got: everything before `offset` (bytes of content) is written and counted, but open parts.

    `rejected` counts the bad rows before `offset`, those of open parts too.
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


class Job(msgspec.Struct, frozen=True):
    """A claimed import, as it was when its lease began or was renewed, at `leased_at`.

    `epoch` is the lease's: pass the job to every later write. `parts` are the open ones, in the order of the file.
    `writes_as` is the import whose name the invoices bear: the job's own or, of a dry run, that of the real one.
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
    parts: tuple[Part, ...]
    leased_at: datetime

    @property
    def abandoned(self) -> Part | None:
        """The first part, if whoever wrote it let its lease end. Those behind it may have to wait for it."""
        first = self.parts[0] if self.parts else None
        return first if first and first.due_at <= self.leased_at else None

    @property
    def in_progress(self) -> Part | None:
        """The part at work whose lease ends first."""
        leased = (part for part in self.parts if part.due_at > self.leased_at)
        return min(leased, key=lambda part: part.due_at, default=None)


def job_of(document: Document, now: datetime) -> Job:
    """An import as MongoDB keeps it."""
    saved = document["checkpoint"]
    counts = saved["counts"]
    # One that was begun by an earlier version does not have `rejected`, and no parts.
    checkpoint = Checkpoint(saved["offset"], saved["row"], saved.get("rejected", counts["rejected"]), counts)
    return Job(
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
        parts=parts_of(document),
        leased_at=now,
    )
