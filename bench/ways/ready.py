"""The limit: inserts our documents, made beforehand, over one connection. No way can be faster with this server."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from bench.ways import Task
from mailroom.invoices.files import Record, RowParser, Rules, detect, read_records
from mailroom.invoices.model.columns import ParsedInvoice
from mailroom.invoices.model.document import content_of
from mailroom.invoices.model.identity import order
from mailroom.invoices.model.merge import Row, merge

BATCH_ROWS = 1000


def prepare(task: Task) -> Callable[[], int]:
    collection = MongoClient[Any](task.mongo_uri, w="majority")[task.database]["invoices"]
    collection.database.client.admin.command("ping")
    made = tempfile.TemporaryFile()  # noqa: SIM115 - the work reads it
    made.writelines(map(bson.encode, _documents(Path(task.file))))
    made.seek(0)

    def run() -> int:
        count = 0
        documents = _raw(made)
        while batch := list(islice(documents, BATCH_ROWS)):
            collection.insert_many(batch, ordered=False)
            count += len(batch)
        return count

    return run


def _documents(file: Path) -> Iterator[dict[str, Any]]:
    content, rules, now, import_id = file.read_bytes(), Rules(), datetime.now(UTC), ObjectId()
    dialect = detect(content[: 1 << 18], rules, complete=len(content) <= 1 << 18)
    parser = RowParser(dialect, rules)
    for record in read_records([content], dialect, rules, offset=0, row=0):
        invoice = parser.parse(record)
        if not isinstance(invoice, ParsedInvoice) or not isinstance(record, Record):
            raise TypeError(f"row {record.row} is no invoice")
        row = Row(record.offset, record.row, order(0, "0" * 36, record.offset), content_of(invoice))
        document = merge(None, [row], import_id, 0, now).document
        if document is not None:
            yield document


def _raw(stream: IO[bytes]) -> Iterator[RawBSONDocument]:
    while size := stream.read(4):
        yield RawBSONDocument(size + stream.read(int.from_bytes(size, "little") - 4))
