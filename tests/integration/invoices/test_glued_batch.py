"""A server counts and numbers the documents of a glued batch like single documents."""

from __future__ import annotations

from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from mailroom.invoices.imports.glued_batch import GluedBatch
from mailroom.services import Services

DOCUMENTS = [{"_id": number % 70, "number": number} for number in range(100)]
STORED = [{"_id": number, "number": -1} for number in range(0, 70, 3)]


def inserted(services: Services, name: str, documents: list[Any]) -> tuple[int, list[tuple[int, int]], list[Any]]:
    """Inserts into a new collection. Returns the count, the errors (index and code), and the content."""
    collection = services.database[name]
    collection.insert_many(STORED)
    reply = collection.database.command({"insert": name, "ordered": False, "documents": documents})
    errors = [(each["index"], each["code"]) for each in reply["writeErrors"]]
    return reply["n"], errors, list(collection.find({}).sort("_id", 1))


def test_counts_and_error_indexes_are_those_of_single_documents(services: Services):
    encoded = [bson.encode(each) for each in DOCUMENTS]

    glued = inserted(services, "glued", [GluedBatch(b"".join(encoded))])

    assert glued == inserted(services, "single", [RawBSONDocument(each) for each in encoded])
    count, errors, _ = glued
    assert count == 70 - len(STORED)
    assert [index for index, _ in errors] == [
        *(number for number in range(70) if number % 3 == 0),
        *range(70, 100),
    ]
    assert {code for _, code in errors} == {11000}
