"""polars reads and converts, pymongoarrow writes. No checks."""

from collections.abc import Callable
from typing import Any

import polars as pl
from pymongo import MongoClient
from pymongoarrow.api import write

from bench.files import AMOUNTS
from bench.ways import Task


def prepare(task: Task) -> Callable[[], int]:
    collection = MongoClient[dict[str, Any]](task.mongo_uri)[task.database]["invoices"]

    def run() -> int:
        types = {name: pl.Decimal(38, 2) for name in AMOUNTS}
        frame = pl.read_csv(task.file, infer_schema=False, empty_string_is_null=False)
        frame = frame.with_columns(
            pl.col("invoiceDate").str.to_datetime("%Y-%m-%d"),
            *(pl.col(name).cast(kind) for name, kind in types.items()),
        )
        write(collection, frame)
        return len(frame)

    return run
