"""What the last set-up made, for those who need it: the document `setup` of the collection `cursors`.

A function may be newer than the set-up. It may not list indexes, so the set-up notes the names of those that it made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pymongo import IndexModel

from mailroom.platform.mongo import Documents

SETUP_ID = "setup"

Indexes = Mapping[str, Sequence[IndexModel]]


def note(cursors: Documents, made: Indexes) -> None:
    """Notes that set-up has made these indexes. Errors are the driver's."""
    names = {collection: _names(models) for collection, models in made.items()}
    cursors.update_one({"_id": SETUP_ID}, {"$set": {"indexes": names}}, upsert=True)


def is_outdated(cursors: Documents, wanted: Indexes) -> bool:
    """Whether the set-up that ran last lacks one of these indexes, or noted nothing. Errors are the driver's."""
    found = (cursors.find_one({"_id": SETUP_ID}, {"indexes": 1}) or {}).get("indexes", {})
    return any(set(_names(models)) - set(found.get(collection, ())) for collection, models in wanted.items())


def _names(models: Sequence[IndexModel]) -> list[str]:
    return [model.document["name"] for model in models]
