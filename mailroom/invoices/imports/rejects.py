"""Rejected rows: kept in MongoDB while an import runs, written to a file in another bucket when it ends.

The rows stay in MongoDB for a while; an index lets them expire. So a worker that lost its lease and writes the file
late writes the same bytes once more.
"""

from __future__ import annotations

import codecs
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ReplaceOne

from mailroom.invoices.files import Dialect, FileRejected, Rejected, RowError, rejects_header, rejects_line
from mailroom.invoices.imports.job import Checkpoint, Chunk, ImportJob
from mailroom.platform.mongo import Document, Documents, errors_without_documents
from mailroom.platform.objects import ObjectStore, ObjectVersion

CONTENT_TYPE = "text/csv; charset=utf-8"

ALL_REJECTED = "rejects.all"
"""The error of an import that has read its whole file, and rejected every row."""

# The file may take longer to write than a lease lasts: the lease is renewed this often.
_RENEW_SECONDS = 1.0

# Of rows that are read back at a time. By itself, MongoDB sends 16 MiB.
_READ_BYTES = 1 << 20

# In bytes: a whole key (S3), and the part between two slashes (MinIO, which keeps objects as files).
_LONGEST_KEY, _LONGEST_NAME = 1024, 255


class RejectLimit(msgspec.Struct, frozen=True):
    """An import fails with more rejected rows than `rows` (negative: any number), or than `percent` of all rows."""

    rows: int
    percent: float

    def check(self, rejected: int) -> None:
        """Before each batch. Raises `FileRejected` `rejects.too_many`."""
        if 0 <= self.rows < rejected:
            message = f"{rejected} rows are rejected, more than {self.rows} (IMPORT_MAX_REJECTS)."
            raise FileRejected("rejects.too_many", message)

    def check_all(self, counts: Mapping[str, int]) -> None:
        """At the end of the file: earlier a percentage means nothing. Raises as `check`, or `rejects.all`."""
        if counts["rejected"] * 100 > counts["rows"] * self.percent:
            message = f"{counts['rejected']} of {counts['rows']} rows are rejected, more than {self.percent:g} percent"
            raise FileRejected("rejects.too_many", f"{message} (IMPORT_MAX_REJECTS_PERCENT).")
        if 0 < counts["rows"] == counts["rejected"]:
            raise FileRejected(ALL_REJECTED, f"Nothing is imported: all rows are rejected ({counts['rows']}).")


class Rejects(msgspec.Struct, frozen=True):
    """The collection `rejects` and the bucket of rejects files.

    Of each import the first `most` rows are kept, and none from the row on with which they have more than `most_bytes`.
    """

    collection: Documents
    objects: ObjectStore
    bucket: str
    most: int
    most_bytes: int

    def add(self, import_id: ObjectId, rejected: Sequence[Rejected], before: Checkpoint | Chunk, now: datetime) -> None:
        """Keeps the rows with majority; `before` tells what the import has rejected before them.

        Their ids are made of import and offset: to add them again changes nothing.
        """
        documents = [_document(import_id, each, now) for each in self._kept(rejected, before)]
        if documents:
            with errors_without_documents():
                self.collection.bulk_write(
                    [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in documents], ordered=False
                )

    def write_file(self, job: ImportJob, dialect: Dialect, renew: Callable[[], None]) -> Document:
        """Writes the rejected rows of the job, in their order, into one object; where it is, and how many it left out.

        The name follows from the version imported, so that to write again replaces the file by the same bytes. The file
        is sent while it is made: neither memory nor a disk holds it. Calls `renew` every second.
        """
        key = _name(job.version)
        lines = _Lines(dialect, self._rows(job), renew)
        self.objects.write(self.bucket, key, lines, CONTENT_TYPE)
        return {
            "bucket": self.bucket,
            "key": key,
            "omitted": max(0, job.checkpoint.counts["rejected"] - lines.count),
        }

    def _kept(self, rejected: Sequence[Rejected], before: Checkpoint | Chunk) -> Iterator[Rejected]:
        size = before.rejected_bytes
        for each in rejected[: max(0, self.most - before.rejected)]:
            size += each.size
            if size > self.most_bytes:
                return
            yield each

    def _rows(self, job: ImportJob) -> Iterator[Rejected]:
        """The rows that are kept and counted, in the order of the file."""
        average = job.checkpoint.rejected_bytes // max(1, job.checkpoint.rejected)
        rows = self.collection.find(counted_rows(job)).sort([("importId", 1), ("offset", 1)])
        return map(rejected_of, rows.batch_size(max(2, _READ_BYTES // (average + 1))))


class _Lines:
    """The lines of a rejects file; `count` rows were written. Calls `renew` every second."""

    def __init__(self, dialect: Dialect, rows: Iterator[Rejected], renew: Callable[[], None]) -> None:
        self._dialect = dialect
        self._rows = rows
        self._renew = renew
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        yield codecs.BOM_UTF8 + rejects_header(self._dialect).encode()  # else Excel takes it for cp1252
        renewed_at = time.monotonic()
        for row in self._rows:
            yield rejects_line(self._dialect, row).encode()
            self.count += 1
            if time.monotonic() - renewed_at >= _RENEW_SECONDS:
                self._renew()
                renewed_at = time.monotonic()


def _name(version: ObjectVersion) -> str:
    """Where the file goes."""
    return name_beside(version.key, f".{version.version_id or f'{version.modified_ms:x}'}.rejects.csv")


def name_beside(key: str, ending: str) -> str:
    """The name of an object for another one. A name longer than the store takes is cut, and ends with a hash."""
    folder, slash, name = key.rpartition("/")
    limit = min(_LONGEST_NAME, _LONGEST_KEY - len(f"{folder}{slash}".encode())) - len(ending)
    if len(name.encode()) <= limit:
        return key + ending
    mark = "~" + hashlib.sha256(key.encode()).hexdigest()[:16]
    if limit < len(mark):  # the folder is too long
        folder, slash, limit = "", "", _LONGEST_NAME - len(ending)
    return folder + slash + name.encode()[: limit - len(mark)].decode(errors="ignore") + mark + ending


def _document(import_id: ObjectId, rejected: Rejected, now: datetime) -> Document:
    return {
        "_id": f"{import_id}:{rejected.offset:012x}",
        "importId": import_id,
        "row": rejected.row,
        "offset": rejected.offset,
        "raw": rejected.raw,
        "problems": msgspec.to_builtins(rejected.errors),
        "createdAt": now,
    }


def counted_rows(job: ImportJob) -> Document:
    """Selects the rows of an import that are kept and counted.

    A worker that was cancelled or lost its lease may have kept rows of a batch that does not count.
    """
    counted: Document = {"importId": job.id, "offset": {"$lt": job.checkpoint.offset}}
    if job.chunks:
        counted["$nor"] = [{"offset": {"$gte": chunk.offset, "$lt": chunk.end}} for chunk in job.chunks]
    return counted


def rejected_of(document: Document) -> Rejected:
    """A rejected row as MongoDB keeps it."""
    errors = msgspec.convert(document["problems"], tuple[RowError, ...])
    return Rejected(document["row"], document["offset"], document["raw"], errors)
