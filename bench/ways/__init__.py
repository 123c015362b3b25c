"""The ways to import a file. Each module has `prepare(task)`, which returns the work to measure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A file on this machine, which is also the object `key`, to import into the collection `invoices`."""

    file: str
    rows: int
    key: str
    mongo_uri: str
    database: str
