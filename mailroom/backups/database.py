"""The database: each collection as one file of BSON, in an order that makes a backup under load whole.

The collections are read one after the other, while work goes on, so they are of different moments. What was accepted
before the backup began is in it; whatever is only half in it is done again after a restore, to the same effect:

- `imports` come before `invoices`. An invoice may thus be newer than the checkpoint of its import, which writes those
  rows again. The invoices are the same then; a row may be counted as stale if the invoice no longer says what it did.
  The other way round a checkpoint could be ahead of its rows, and they would be lost.
- `imports` and `notifications` come before `webhookDeliveries`: what webhooks tell is still announced, or is there.
- `imports` come before `notifications`: the mail about an import is there, or its import is still to be told of.
- The buckets come after the database: an object that no import knows is found by reconciliation.

A document that is there from beginning to end is read once, for `_id` never changes and the index of it is walked.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from typing import IO, Any, cast

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from mailroom.backups import manifest
from mailroom.backups.archive import Archive
from mailroom.backups.manifest import Backup, Damaged, File, write_file
from mailroom.platform import backup_record
from mailroom.platform.mongo import Document, documents_of, errors_without_documents

_FIRST = ("cursors", "imports")
_LEFT_OUT = ("comparisons", "kicks", "workers")
"""Made when they are needed. `comparisons` would be of another moment than the imports that name their contents."""
_BATCH_DOCUMENTS = 1000
_BATCH_BYTES = 4 << 20
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


def names(database: Database[Document]) -> list[str]:
    """The collections of a backup, in the order in which they are read.

    A restore leaves the record of the backups as it is.
    """
    found = database.list_collection_names(filter={"type": "collection", "name": {"$not": {"$regex": r"^system\."}}})
    found = [name for name in found if name not in (*_LEFT_OUT, backup_record.COLLECTION)]
    return sorted(found, key=lambda name: (name not in _FIRST, name))


def dump(database: Database[Document], archive: Archive, backup: str) -> Iterator[File]:
    """Writes every collection; yields each once it is written."""
    for name in names(database):
        file = manifest.path(backup, "mongodb", database.name, f"{name}.bson.gz")
        batches: Iterable[Any] = database[name].find_raw_batches(sort=[("_id", 1)])
        yield write_file(archive, file, ((batch, sum(1 for _ in documents_of(batch))) for batch in batches))


def occupied(database: Database[Document]) -> list[str]:
    """The collections that hold documents; what set-up itself writes does not count."""
    return [name for name in names(database) if name != "cursors" and database[name].find_one({}, {"_id": 1})]


def drop(database: Database[Document], backup: Backup) -> None:
    """Drops the collections that the backup holds, and those that none holds.

    Set-up makes their indexes anew, at once while they are empty.
    """
    for name in (*map(_collection, backup.manifest.collections), *_LEFT_OUT):
        database.drop_collection(name)


def load(database: Database[Document], archive: Archive, backup: Backup) -> Iterator[tuple[str, int]]:
    """Fills the collections; yields each one's name, and how many documents it has now. Raises Damaged."""
    for file in backup.manifest.collections:
        name = _collection(file)
        collection = database.get_collection(name, codec_options=_RAW)
        collection.delete_many({})  # what set-up wrote
        documents = 0
        with archive.read(file.name) as packed, gzip.open(packed) as content:
            for batch in _batches(cast(IO[bytes], content)):
                with errors_without_documents():
                    collection.insert_many(batch, ordered=False)
                documents += len(batch)
        if documents != file.entries:
            raise Damaged(f"{file.name} has {documents} documents, and not {file.entries}")
        yield name, documents


def _collection(file: File) -> str:
    return file.name.rpartition("/")[2].removesuffix(".bson.gz")


def _batches(content: IO[bytes]) -> Iterator[list[RawBSONDocument]]:
    batch: list[RawBSONDocument] = []
    size = 0
    for document in bson.decode_file_iter(content, _RAW):
        batch.append(document)
        size += len(document.raw)
        if len(batch) == _BATCH_DOCUMENTS or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
