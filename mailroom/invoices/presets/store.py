"""Presets in MongoDB. Every change makes a new version; old versions stay, and imports name theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from pymongo.database import Database

from mailroom.errors import Conflict
from mailroom.invoices.files.dialect import PresetVersion
from mailroom.invoices.presets.preset import Preset, content_of, preset_of
from mailroom.invoices.presets.profiles import longest_prefix
from mailroom.platform.mongo import Document, server_time
from mailroom.platform.versioned import VersionedDocuments


class Presets(VersionedDocuments):
    """The collection `presets`.

    The time of a version is the server's from before it is there. So an import that begins after an answer to `put`
    finds it.
    """

    def __init__(self, database: Database[Document]) -> None:
        now = partial(server_time, database)
        super().__init__(database["presets"], now, "preset", "preset.not_found", listed=("prefix",))

    def save(self, name: str, preset: Preset, key_id: str) -> tuple[Document, bool]:
        """As `put`. Raises `Conflict` when another preset has this prefix: which of them counts must be plain."""
        if preset.prefix is not None:
            for other, _, prefix in self._newest_at(self._now()):
                if prefix == preset.prefix and other != name:
                    raise Conflict("preset.prefix", f"the preset {other} is for {prefix!r} already", field="prefix")
        return self.put(name, content_of(preset), key_id)

    def present(self) -> Iterator[tuple[str, Preset]]:
        """All that are there, with their names, in the order of these."""
        for name, version, _ in self._newest_at(self._now()):
            yield name, self.read(PresetVersion(name, version))

    def read(self, which: PresetVersion) -> Preset:
        """That version, also of a preset that was deleted since. Raises `NotFound`."""
        return preset_of(self.find(which.name, which.version)["content"])

    def named(self, name: str, at: datetime) -> PresetVersion | None:
        """The version of the preset that was there at a time."""
        found = self._newest_at(at, {"name": name})
        return PresetVersion(name, found[0][1]) if found else None

    def for_key(self, key: str, at: datetime) -> PresetVersion | None:
        """The preset with the longest prefix that fits `key`, of those that were there at a time."""
        found = [(prefix, name, version) for name, version, prefix in self._newest_at(at) if prefix is not None]
        longest = longest_prefix(key, (prefix for prefix, _, _ in found))
        # Two calls at once may have given two presets the same prefix: then the first name counts.
        return min((PresetVersion(name, version) for prefix, name, version in found if prefix == longest), default=None)

    def _newest_at(self, at: datetime, which: Document | None = None) -> list[tuple[str, int, str | None]]:
        """Name, version and prefix of the presets that were there at a time, by name."""
        newest = {
            "_id": "$name",
            "version": {"$first": "$version"},
            "kind": {"$first": {"$type": "$content"}},
            "prefix": {"$first": "$content.prefix"},
        }
        steps: list[Document] = [
            {"$match": (which or {}) | {"createdAt": {"$lte": at}}},
            {"$sort": {"name": 1, "version": -1}},
            {"$group": newest},
            {"$match": {"kind": "object"}},
            {"$sort": {"_id": 1}},
        ]
        return [(each["_id"], each["version"], each.get("prefix")) for each in self._collection.aggregate(steps)]
