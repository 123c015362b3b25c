"""Making, listing and revoking keys, for callers with the scope `keys:manage`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from mailroom.errors import Conflict, Invalid, NotFound
from mailroom.keys.managers import MANAGE, Managers
from mailroom.keys.rights import check_scopes, check_senders
from mailroom.platform.api_keys import ApiKeys, Caller, NewKey
from mailroom.platform.idempotency import RepeatableCall, check_same_request
from mailroom.platform.keyset import NEWEST_FIRST, Key, KeysetPage, Range
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.server_clock import ServerClock

MOST_COUNTED = 1_000


class KeyRequest(msgspec.Struct, frozen=True):
    """A key to make. Without `senders` it has those of the caller, without `expires` it never expires."""

    name: str
    scopes: Sequence[str]
    senders: Sequence[str] | None = None
    expires: timedelta | None = None


class ManagedKeys:
    """Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, keys: ApiKeys, collection: Documents, managers: Managers, clock: ServerClock) -> None:
        self._keys, self._collection, self._managers, self._clock = keys, collection, managers, clock

    def page(self, limit: int, after: Key | None, *, sessions: bool = False) -> KeysetPage[Document]:
        """Keys without their hashes, or sessions; newest first, beginning after the key `after`."""
        listed = Range(NEWEST_FIRST, {"session": True if sessions else None}, hint="newest")
        return listed.page(self._collection, limit, after, {"hash": 0})

    def get(self, id_: ObjectId) -> Document:
        """A key or a session, without its hash. Raises `NotFound`."""
        found = self._collection.find_one({"_id": id_}, {"hash": 0})
        if found is None:
            raise _unknown()
        return found

    def count_open_sessions(self, id_: ObjectId) -> int:
        """How many sessions the key has started that are still open; at most `MOST_COUNTED`."""
        now = self._clock.now()
        limits = {"expiresAt": {"$gt": now}, "idleExpiresAt": {"$gt": now}}
        of_key: Document = {"session": True, "parent": id_, "revokedAt": None, **limits}
        return self._collection.count_documents(of_key, limit=MOST_COUNTED, hint="newest")

    def make(self, request: KeyRequest, caller: Caller, call: RepeatableCall | None = None) -> tuple[NewKey, Document]:
        """Makes a key, and returns it with what is stored.

        Raises:
            Invalid: a field is wrong, or the Idempotency-Key was used with another request.
            Forbidden: the caller lacks a scope or a sender.
            Conflict: an earlier call with the same Idempotency-Key has made a key. Its text is not stored, so it cannot
                be shown again.
        """
        if not request.name.isprintable() or not request.name.strip():
            raise Invalid("name", "name.invalid", "name must have printable characters")
        scopes, senders = check_scopes(request.scopes, caller), check_senders(request.senders, caller)
        members: Document = {"createdBy": caller.id}
        if call is not None:
            self._refuse_repeat(call)
            members["idempotency"] = msgspec.to_builtins(call)
        now = self._clock.now()
        expires_at = None if request.expires is None else now + request.expires
        try:
            key = self._keys.insert(request.name, scopes, senders, now, expires_at, **members)
        except DuplicateKeyError:  # another call with the same Idempotency-Key was faster
            if call is not None:
                self._refuse_repeat(call)
            raise
        stored = self._collection.find_one({"_id": ObjectId(key.id)}, {"hash": 0})
        assert stored is not None
        return key, stored

    def revoke(self, id_: ObjectId) -> None:
        """Ends a key or a session. To revoke what is revoked already changes nothing.

        Raises:
            NotFound: there is no such key.
            Conflict: it is the last valid key with `keys:manage`.
        """
        found = self._collection.find_one({"_id": id_}, {"scopes": 1, "session": 1})
        if found is None:
            raise _unknown()
        if MANAGE in found["scopes"] and not found.get("session"):
            self._managers.revoke(id_)
        else:
            self._keys.revoke(str(id_))

    def _refuse_repeat(self, call: RepeatableCall) -> None:
        # With a hint: without the unique index, a repeat could make a second key.
        found = self._collection.find_one({"idempotency.key": call.key}, hint="idempotency")
        if found is None:
            return
        check_same_request(call, found["idempotency"]["digest"])
        raise Conflict(
            "keys.made",
            f"a call with this Idempotency-Key has made the key {found['_id']} already. Its text was shown then, and "
            "is not stored: if it was lost, revoke that key and make another one",
        )


def _unknown() -> NotFound:
    return NotFound("keys.unknown", "there is no such key")
