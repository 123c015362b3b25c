"""Rejected rows: kept in MongoDB while an import runs, written to a file in another bucket when it ends.

The rows stay in MongoDB for a while; an index lets them expire. So a worker that lost its lease and writes the file
late writes the same bytes once more.
"""

from __future__ import annotations

import codecs
import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ReplaceOne

from mailroom.invoices.files import Dialect, FileRejected, Rejected, RowError, rejects_header, rejects_line
from mailroom.invoices.imports.job import ImportJob
from mailroom.platform.mongo import Document, Documents, errors_without_documents
from mailroom.platform.objects import ObjectStore, ObjectVersion

CONTENT_TYPE = "text/csv; charset=utf-8"

# The file may take longer to write than a lease lasts: the lease is renewed each time that this many are.
_RENEW_ROWS = 1000

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
            raise FileRejected("rejects.all", f"Nothing is imported: all rows are rejected ({counts['rows']}).")


class Rejects(msgspec.Struct, frozen=True):
    """The collection `rejects` and the bucket of rejects files. The first `most` rows of each import are kept."""

    collection: Documents
    objects: ObjectStore
    bucket: str
    most: int

    def add(self, import_id: ObjectId, rejected: Sequence[Rejected], before: int, now: datetime) -> None:
        """Keeps the rows with majority; `before` is how many the import has rejected before them.

        Their ids are made of import and offset: to add them again changes nothing.
        """
        rejected = rejected[: max(0, self.most - before)]
        documents = [_document(import_id, each, now) for each in rejected]
        if documents:
            with errors_without_documents():
                self.collection.bulk_write(
                    [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in documents], ordered=False
                )

    def write_file(self, job: ImportJob, dialect: Dialect, renew: Callable[[], None]) -> Document:
        """Writes the rejected rows of the job, in their order, into one object; where it is, and how many it left out.

        The name follows from the version imported, so that to write again replaces the file by the same bytes. Uses a
        temporary file, not memory. Calls `renew` now and then.
        """
        version = job.version
        key = _name(version)
        # A worker that was cancelled or lost its lease may have kept rows of a batch that does not count.
        counted: Document = {"importId": job.id, "offset": {"$lt": job.checkpoint.offset}}
        if job.chunks:
            counted["$nor"] = [{"offset": {"$gte": chunk.offset, "$lt": chunk.end}} for chunk in job.chunks]
        with tempfile.TemporaryFile() as file:
            file.write(codecs.BOM_UTF8 + rejects_header(dialect).encode())  # else Excel takes it for cp1252
            rows = self.collection.find(counted).sort([("importId", 1), ("offset", 1)])
            for number, document in enumerate(rows, 1):
                file.write(rejects_line(dialect, _rejected(document)).encode())
                if number % _RENEW_ROWS == 0:
                    renew()
            size = file.tell()
            file.seek(0)
            self.objects.write(self.bucket, key, file, size, CONTENT_TYPE)
        return {
            "bucket": self.bucket,
            "key": key,
            "omitted": max(0, job.checkpoint.counts["rejected"] - self.most),
        }


def _name(version: ObjectVersion) -> str:
    """Where the file goes. A name longer than the store takes is cut, and ends with a hash."""
    ending = f".{version.version_id or f'{version.modified_ms:x}'}.rejects.csv"
    folder, slash, name = version.key.rpartition("/")
    limit = min(_LONGEST_NAME, _LONGEST_KEY - len(f"{folder}{slash}".encode())) - len(ending)
    if len(name.encode()) <= limit:
        return version.key + ending
    mark = "~" + hashlib.sha256(version.key.encode()).hexdigest()[:16]
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


def _rejected(document: Document) -> Rejected:
    errors = msgspec.convert(document["problems"], tuple[RowError, ...])
    return Rejected(document["row"], document["offset"], document["raw"], errors)
