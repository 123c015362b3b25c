"""The keys with the scope `keys:manage`, of which one always stays valid.

Two calls at once may each revoke the last key but one. Each would still see the other's key, and both together would
leave none. So such revocations happen one after the other: a call writes the key's id into a guard document, by an
update on the condition that the guard is as it was read; then it revokes the key.

    read guard -> finish the revocation it names -> look for another valid key -> write own id, if unchanged -> revoke
         ^                                                                             |
         +------------------------------ changed by another call ----------------------+

If the process dies before the last step, the next call finishes it: a written id is a decision.
"""

from __future__ import annotations

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from mailroom.errors import Conflict
from mailroom.platform.api_keys import ApiKeys
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.server_clock import ServerClock

MANAGE = "keys:manage"

_GUARD = "managers"


class Managers:
    """Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, keys: ApiKeys, collection: Documents, guards: Documents, clock: ServerClock) -> None:
        self._keys, self._collection, self._guards, self._clock = keys, collection, guards, clock

    def revoke(self, id_: ObjectId) -> None:
        """Revokes a key that has the scope. Raises `Conflict` if no other valid key has it."""
        while True:
            guard = self._guards.find_one({"_id": _GUARD}) or {"version": 0}
            if decided := guard.get("revoking"):
                self._keys.revoke(str(decided))
            if not self._is_valid(id_):
                self._keys.revoke(str(id_))  # keeps the first time of an earlier revocation
                return
            if not self._has_other(id_):
                raise Conflict(
                    "keys.last", "this is the last valid key with keys:manage: make another one first, then revoke it"
                )
            if self._decide(id_, guard["version"]):
                self._keys.revoke(str(id_))
                return

    def _decide(self, id_: ObjectId, version: int) -> bool:
        """Names the key in the guard. False if another call has changed the guard since it was read."""
        change = {"$set": {"version": version + 1, "revoking": id_}}
        try:
            found = self._guards.update_one({"_id": _GUARD, "version": version}, change, upsert=version == 0)
        except DuplicateKeyError:  # another call has made the guard
            return False
        return bool(found.matched_count or found.upserted_id)

    def _is_valid(self, id_: ObjectId) -> bool:
        return self._collection.find_one(self._valid() | {"_id": id_}, {"_id": 1}) is not None

    def _has_other(self, id_: ObjectId) -> bool:
        return self._collection.find_one(self._valid() | {"_id": {"$ne": id_}}, {"_id": 1}) is not None

    def _valid(self) -> Document:
        return {
            "session": None,
            "scopes": MANAGE,
            "revokedAt": None,
            "$or": [{"expiresAt": None}, {"expiresAt": {"$gt": self._clock.now()}}],
        }
