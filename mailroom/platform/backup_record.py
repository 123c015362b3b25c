"""When backups were made and checked: the collection `backups`, which the commands write and the importer shows.

`{_id: "database" or "buckets", firstSucceededAt, succeededAt}` and `{_id: "check", checkedAt, damaged}`
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pymongo.database import Database

from mailroom.platform.mongo import Document

COLLECTION = "backups"
_CHECK = "check"


def note_success(database: Database[Document], parts: Iterable[str], at: datetime) -> None:
    """Notes that these parts, `database` or `buckets`, are in a finished backup. Errors are the driver's."""
    change = {"$set": {"succeededAt": at}, "$min": {"firstSucceededAt": at}}
    for part in parts:
        database[COLLECTION].update_one({"_id": part}, change, upsert=True)


def note_check(database: Database[Document], damaged: int, at: datetime) -> None:
    """Notes how many files and objects of a backup are damaged. Errors are the driver's."""
    database[COLLECTION].update_one({"_id": _CHECK}, {"$set": {"checkedAt": at, "damaged": damaged}}, upsert=True)


def newest_check(database: Database[Document]) -> Document | None:
    """`checkedAt` and `damaged`, if a backup was ever checked. Errors are the driver's."""
    return database[COLLECTION].find_one({"_id": _CHECK})


def successes(database: Database[Document]) -> dict[str, datetime]:
    """The end of the newest backup of each part. Errors are the driver's."""
    found = database[COLLECTION].find({"_id": {"$ne": _CHECK}})
    return {each["_id"]: each["succeededAt"] for each in found}


def first_success(database: Database[Document]) -> datetime | None:
    """The end of the first backup, if there was one. Errors are the driver's."""
    which = {"firstSucceededAt": {"$exists": True}}
    found = database[COLLECTION].find_one(which, sort=[("firstSucceededAt", 1)])
    return found["firstSucceededAt"] if found else None
