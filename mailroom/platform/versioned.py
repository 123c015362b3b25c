"""Named documents whose every change makes a new version. Old versions stay, so that others may name them.

One insert writes a version, so a document is never half changed. Deleting makes a version without content. A later
document of the same name continues the numbers. A unique index over `name` and `version` makes each number once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from mailroom.errors import NotFound
from mailroom.platform.mongo import Document, Documents

_HEAD = ("name", "version", "createdAt", "keyId")


class VersionedDocuments:
    """One collection of them. Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(
        self,
        collection: Documents,
        now: Callable[[], datetime],
        kind: str,
        unknown_code: str,
        listed: tuple[str, ...] = (),
    ) -> None:
        """`kind` is what people call such a document; `unknown_code` is the code of `NotFound`.

        `listed` are the fields of the content that pages have.
        """
        self._collection = collection
        self._now = now
        self._kind = kind
        self._unknown_code = unknown_code
        self._listed = (*_HEAD, *(f"content.{field}" for field in listed))

    def put(self, name: str, content: Document, key_id: str) -> tuple[Document, bool]:
        """Makes a new version, unless the newest has this content.

        Returns the newest version, and whether there was no such document before.
        """
        while True:
            newest = self._newest(name)
            if newest is not None and newest["content"] == content:
                return newest, False
            made = self._insert(name, newest, content, key_id)
            if made is not None:
                return made, newest is None or newest["content"] is None

    def delete(self, name: str, key_id: str) -> int:
        """Deletes the document. Returns its last version with content. Raises `NotFound`."""
        while True:
            newest = self.find(name)
            if self._insert(name, newest, None, key_id) is not None:
                version: int = newest["version"]
                return version

    def find(self, name: str, version: int | None = None) -> Document:
        """That version, or by default the newest. Raises `NotFound` if there is none, or it is a deletion."""
        found = self._newest(name) if version is None else self._collection.find_one({"name": name, "version": version})
        if found is None or found["content"] is None:
            raise self.unknown(name, version)
        return found

    def page(self, limit: int, after: str = "") -> tuple[list[Document], str | None]:
        """The newest version of each document whose name is beyond `after`, by name.

        The second value is the name that the next page begins after, or None if this page is the last one.
        """
        newest = {"_id": "$name", "id": {"$first": "$_id"}, "content": {"$first": {"$type": "$content"}}}
        steps: list[Document] = [
            {"$match": {"name": {"$gt": after}} if after else {}},
            {"$sort": {"name": 1, "version": -1}},
            {"$group": newest},
            {"$match": {"content": "object"}},
            {"$sort": {"_id": 1}},
            {"$limit": limit + 1},
        ]
        ids = [each["id"] for each in self._collection.aggregate(steps)]
        found = sorted(self._collection.find({"_id": {"$in": ids}}, self._listed), key=lambda each: each["name"])
        items = found[:limit]
        return items, items[-1]["name"] if len(found) > limit else None

    def versions(self, name: str, limit: int, before: int | None = None) -> tuple[list[Document], int | None]:
        """Its versions below `before`, newest first, deletions included.

        The second value is the version that the next page begins below, or None if this page is the last one.
        """
        which: Document = {"name": name}
        if before is not None:
            which["version"] = {"$lt": before}
        found = list(self._collection.find(which).sort("version", -1).limit(limit + 1))
        items = found[:limit]
        return items, items[-1]["version"] if len(found) > limit else None

    def unknown(self, name: str, version: int | None = None) -> NotFound:
        """The error about a document, or a version, that is not there."""
        which = f"version {version} of the {self._kind} {name}" if version else f"{self._kind} {name}"
        return NotFound(self._unknown_code, f"there is no {which}")

    def _newest(self, name: str) -> Document | None:
        for found in self._collection.find({"name": name}).sort("version", -1).limit(1):
            return found
        return None

    def _insert(self, name: str, newest: Document | None, content: Document | None, key_id: str) -> Document | None:
        """Inserts the next version. Returns None if another process has just made it."""
        document: Document = {
            "_id": ObjectId(),
            "name": name,
            "version": newest["version"] + 1 if newest else 1,
            "content": content,
            "createdAt": self._now(),
            "keyId": key_id,
        }
        try:
            self._collection.insert_one(document)
        except DuplicateKeyError:
            return None
        return document
