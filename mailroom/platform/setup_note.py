"""What set-up has made: it notes `{_id: "setup", ranAt, indexes: {COLLECTION: [NAMES]}}` in the collection `workers`.

A function may not look at indexes. From the note it learns whether set-up ran with code as new as its own: an index has
another name whenever it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
from pymongo import IndexModel

from mailroom.platform.mongo import Document, Documents

SETUP_ID = "setup"


class SetupNote(msgspec.Struct, frozen=True, rename="camel"):
    """The last run of set-up. `indexes` also names those that it replaced: a function of the version before is served.

    Without a run, or after one of a version that made no note, there is no note.
    """

    ran_at: datetime
    indexes: dict[str, list[str]]

    def lacks(self, wanted: Mapping[str, Iterable[IndexModel]]) -> list[str]:
        """Which of the wanted indexes set-up has not made, as `COLLECTION.NAME`."""
        return [
            f"{collection}.{name}"
            for collection, models in wanted.items()
            for model in models
            if (name := model.document["name"]) not in self.indexes.get(collection, ())
        ]


def is_outdated(note: SetupNote | None, wanted: Mapping[str, Iterable[IndexModel]]) -> bool:
    """Whether set-up is older than the code that wants these indexes."""
    return note is None or bool(note.lacks(wanted))


def write_note(workers: Documents, indexes: Mapping[str, Iterable[str]], now: datetime) -> None:
    """Set-up notes at its end what it has made."""
    note: Document = {"ranAt": now, "indexes": {name: sorted(names) for name, names in indexes.items()}}
    workers.replace_one({"_id": SETUP_ID}, note, upsert=True)


def note_of(document: Document | None) -> SetupNote | None:
    """The note as MongoDB keeps it."""
    return None if document is None else msgspec.convert(document, SetupNote)
