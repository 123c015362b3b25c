"""pandas.read_csv in chunks, then insert_many. No checks."""

from collections.abc import Callable
from typing import Any

import pandas as pd
from bson import Decimal128
from pymongo import MongoClient

from bench.files import AMOUNTS
from bench.ways import Task

BATCH_ROWS = 1000


def prepare(task: Task) -> Callable[[], int]:
    collection = MongoClient[dict[str, Any]](task.mongo_uri)[task.database]["invoices"]

    def run() -> int:
        count = 0
        for chunk in pd.read_csv(task.file, dtype=str, keep_default_na=False, chunksize=BATCH_ROWS):
            chunk["invoiceDate"] = pd.to_datetime(chunk["invoiceDate"], format="%Y-%m-%d")
            for name in AMOUNTS:
                chunk[name] = chunk[name].map(Decimal128)
            collection.insert_many(chunk.to_dict("records"), ordered=False)
            count += len(chunk)
        return count

    return run
