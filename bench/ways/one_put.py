"""Writes row by row, as the original system did. No checks."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from bench.ways import Task
from bench.ways.dict_reader import typed


def prepare(task: Task) -> Callable[[], int]:
    collection = MongoClient[dict[str, Any]](task.mongo_uri)[task.database]["invoices"]

    def run() -> int:
        count = 0
        with Path(task.file).open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                collection.insert_one(typed(row))
                count += 1
        return count

    return run
