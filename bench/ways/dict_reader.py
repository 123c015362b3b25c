"""The usual script: csv.DictReader, types, insert_many. It checks nothing, and a second run stores everything twice."""

import csv
from collections.abc import Callable
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from bson import Decimal128
from pymongo import MongoClient

from bench.files import AMOUNTS
from bench.ways import Task

BATCH_ROWS = 1000


def prepare(task: Task) -> Callable[[], int]:
    collection = MongoClient[dict[str, Any]](task.mongo_uri)[task.database]["invoices"]

    def run() -> int:
        count = 0
        with Path(task.file).open(encoding="utf-8", newline="") as stream:
            rows = map(typed, csv.DictReader(stream))
            while batch := list(islice(rows, BATCH_ROWS)):
                collection.insert_many(batch, ordered=False)
                count += len(batch)
        return count

    return run


def typed(row: dict[str, str]) -> dict[str, Any]:
    """The row with its date and amounts in MongoDB's types."""
    amounts = {name: Decimal128(row[name]) for name in AMOUNTS}
    return row | amounts | {"invoiceDate": datetime.fromisoformat(row["invoiceDate"])}
