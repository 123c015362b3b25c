"""When backups were made and checked: the collection `backups`, which the commands write and the importer shows.

`{_id: "database" or "buckets", succeededAt}` and `{_id: "check", checkedAt, damaged}`
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from pymongo.database import Database

from mailroom.platform.metrics import Gauge, gauge, gauges
from mailroom.platform.mongo import Document

COLLECTION = "backups"
_CHECK = "check"


def note_success(database: Database[Document], parts: Iterable[str], at: datetime) -> None:
    """Notes that these parts, `database` or `buckets`, are in a finished backup. Errors are the driver's."""
    for part in parts:
        database[COLLECTION].update_one({"_id": part}, {"$set": {"succeededAt": at}}, upsert=True)


def note_check(database: Database[Document], damaged: int, at: datetime) -> None:
    """Notes how many files and objects of a backup are damaged. Errors are the driver's."""
    database[COLLECTION].update_one({"_id": _CHECK}, {"$set": {"checkedAt": at, "damaged": damaged}}, upsert=True)


def successes(database: Database[Document]) -> dict[str, datetime]:
    """The end of the newest backup of each part. Errors are the driver's."""
    found = database[COLLECTION].find({"_id": {"$ne": _CHECK}})
    return {each["_id"]: each["succeededAt"] for each in found}


def read(database: Database[Document]) -> Iterator[Gauge]:
    """What was noted. Errors are the driver's."""
    check = database[COLLECTION].find_one({"_id": _CHECK})
    ended = {part: at.timestamp() for part, at in successes(database).items()}
    text = "End of the newest backup."
    yield gauges("mailroom_backup_last_success_timestamp_seconds", text, "part", ended)
    if check:
        text = "End of the newest check of a backup."
        yield gauge("mailroom_backup_last_check_timestamp_seconds", text, check["checkedAt"].timestamp())
        text = "Files and objects that the newest check found damaged."
        yield gauge("mailroom_backup_last_check_damaged", text, check["damaged"])
