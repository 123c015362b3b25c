"""Rejected rows: kept in MongoDB while an import runs, written to a file in another bucket when it ends.

The rows stay in MongoDB for a while (an index lets them expire): a worker that lost its lease and writes the file late
then writes the same bytes once more.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId
from pymongo import ReplaceOne

from mailroom.invoices.ledger import Job
from mailroom.invoices.parsing import Dialect, Problem, Rejected, rejects_header, rejects_line
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.objects import ObjectStore

CONTENT_TYPE = "text/csv; charset=utf-8"


class Rejects:
    """The collection `rejects` and the bucket of rejects files."""

    def __init__(self, collection: Documents, objects: ObjectStore, bucket: str) -> None:
        self._collection = collection
        self._objects = objects
        self._bucket = bucket

    def add(self, import_id: ObjectId, rejected: Sequence[Rejected], now: datetime) -> None:
        """Keeps the rows with majority. Their ids are made of import and offset: adding again changes nothing."""
        if rejected:
            self._collection.bulk_write(
                [ReplaceOne({"_id": (doc := _document(import_id, each, now))["_id"]}, doc, True) for each in rejected],
                ordered=False,
            )

    def write_file(self, job: Job, dialect: Dialect) -> Document:
        """Writes all rejected rows of the job, in their order, into one object; where it is.

        The name follows from the version imported, so that writing again replaces the file by the same bytes. Uses a
        temporary file, not memory, for the size.
        """
        version = job.version
        key = f"{version.key}.{version.version_id or f'{version.modified_ms:x}'}.rejects.csv"
        with tempfile.TemporaryFile() as file:
            file.write(rejects_header(dialect).encode())
            for document in self._collection.find({"importId": job.id}).sort([("importId", 1), ("offset", 1)]):
                file.write(rejects_line(dialect, _rejected(document)).encode())
            size = file.tell()
            file.seek(0)
            self._objects.write(self._bucket, key, file, size, CONTENT_TYPE)
        return {"bucket": self._bucket, "key": key}


def _document(import_id: ObjectId, rejected: Rejected, now: datetime) -> Document:
    return {
        "_id": f"{import_id}:{rejected.offset:012x}",
        "importId": import_id,
        "row": rejected.row,
        "offset": rejected.offset,
        "raw": rejected.raw,
        "problems": [{"column": p.column, "code": p.code, "message": p.message} for p in rejected.problems],
        "createdAt": now,
    }


def _rejected(document: Document) -> Rejected:
    return Rejected(
        row=document["row"],
        offset=document["offset"],
        raw=document["raw"],
        problems=tuple(Problem(p["column"], p["code"], p["message"]) for p in document["problems"]),
    )
