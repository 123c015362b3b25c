"""The ways to import a file. Each module has `prepare(task)`, which answers the work to be measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """What is imported: a file on this machine, which is also the object `key`, into the collection `invoices`."""

    file: str
    rows: int
    key: str
    mongo_uri: str
    database: str
