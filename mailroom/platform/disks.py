"""How much room the disks of the servers have, as the servers tell it."""

from __future__ import annotations

from collections.abc import Iterator

from pymongo.database import Database
from pymongo.errors import OperationFailure

from mailroom.platform.metrics import Gauge, gauges
from mailroom.platform.mongo import Document


def of_mongodb(database: Database[Document]) -> tuple[float, float] | None:
    """The free and all bytes of the disk; None without the right to ask, or if the server does not tell."""
    try:
        stats = database.command("dbStats")
    except OperationFailure:
        return None
    total, used = (float(stats.get(name, 0)) for name in ("fsTotalSize", "fsUsedSize"))
    return (total - used, total) if total else None


def disk(server: str, told: tuple[float, float] | None) -> Iterator[Gauge]:
    """The free and all bytes of a server's disk; nothing if it does not tell."""
    if told:
        yield gauges("mailroom_disk_free_bytes", "Free bytes of the disk of this server.", "server", {server: told[0]})
        yield gauges("mailroom_disk_size_bytes", "All bytes of the disk of this server.", "server", {server: told[1]})
