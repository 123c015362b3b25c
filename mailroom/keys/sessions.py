"""Sessions: keys that live for a short time, for a person at a browser.

    key or one-time code --start--> session --end, idle, too old, parent revoked or expired--> refused like a wrong key

A session is a document of `apiKeys` with the members `session`, `parent`, `idleExpiresAt` and `removeAt`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
from bson import ObjectId

from mailroom.errors import Forbidden, NotFound
from mailroom.keys.codes import LoginCodes
from mailroom.keys.rights import check_scopes
from mailroom.platform.api_keys import ApiKeys, Caller, NewKey, refusal
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.server_clock import ServerClock

# Ended sessions are kept for so long: the audit log names their ids.
KEPT = timedelta(days=30)

# Each call that shows a session to be used would be a write; so the limit moves by steps.
_STEP = timedelta(minutes=1)


class NewSession(msgspec.Struct, frozen=True):
    """A session just started. `token` is what the caller keeps; it cannot be had again."""

    id: str
    token: str
    name: str
    scopes: list[str]
    expires_at: datetime


class Sessions:
    """Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, keys: ApiKeys, collection: Documents, clock: ServerClock, hours: float, idle: timedelta) -> None:
        """A session ends after `hours`, and when it was not used for `idle`."""
        self._keys, self._collection, self._clock = keys, collection, clock
        self._hours = timedelta(hours=hours)
        self.idle = idle

    def start(self, caller: Caller, scopes: Collection[str] | None = None) -> NewSession:
        """A session with `scopes` of the caller's key, by default with all of them.

        Raises:
            Forbidden: the caller is a session itself, or lacks a scope.
            Invalid: an unknown scope, or none.
        """
        if caller.session is not None:
            raise Forbidden("session.nested", "a session cannot start sessions: send the key itself")
        wanted = caller.scopes if scopes is None else check_scopes(scopes, caller)
        parent = self._collection.find_one({"_id": ObjectId(caller.id), "revokedAt": None})
        if parent is None:  # revoked since it was read
            raise refusal(missing=False)
        return self._insert(caller.name, wanted, caller.senders, parent["_id"], parent["expiresAt"])

    def exchange(self, codes: LoginCodes, code: str) -> NewSession:
        """A session for a one-time code, which is spent by this call.

        If the process dies between the two writes, the code is spent and there is no session: ask for a new code.

        Raises:
            InvalidKey: the code is unknown, spent or expired.
        """
        spent = codes.spend(code)
        return self._insert(spent["name"], spent["scopes"], spent["senders"], None, None)

    def current(self, caller: Caller) -> Document:
        """The session of the caller. It counts as used, so its idle limit moves.

        Raises:
            NotFound: the caller has shown no session but a key.
            InvalidKey: the session has ended in this moment.
        """
        id_ = self._id(caller)
        now = self._clock.now()
        found = self._collection.find_one({"_id": id_}, {"hash": 0})
        if found is None:
            raise refusal(missing=False)
        until = min(now + self.idle, found["expiresAt"])
        if until - found["idleExpiresAt"] >= min(_STEP, self.idle / 10):
            # Conditional: what has ended stays ended.
            alive = {"_id": id_, "revokedAt": None, "idleExpiresAt": {"$gt": now}}
            changed = self._collection.update_one(alive, {"$max": {"idleExpiresAt": until}})
            self._keys.forget(id_)
            found = self._collection.find_one({"_id": id_}, {"hash": 0}) if changed.matched_count else None
        if found is None or found["revokedAt"] is not None:
            raise refusal(missing=False)
        return found

    def end(self, caller: Caller) -> None:
        """Ends the session of the caller: here at once, on every other replica within two seconds.

        Raises `NotFound` as `current` does.
        """
        self._keys.revoke(str(self._id(caller)))

    def _id(self, caller: Caller) -> ObjectId:
        if caller.session is None:
            raise NotFound("session.none", "this key is no session")
        return ObjectId(caller.session)

    def _insert(
        self,
        name: str,
        scopes: Collection[str],
        senders: Collection[str],
        parent: ObjectId | None,
        parent_expires: datetime | None,
    ) -> NewSession:
        now = self._clock.now()
        expires = min(now + self._hours, parent_expires or datetime.max.replace(tzinfo=now.tzinfo))
        key: NewKey = self._keys.insert(
            name,
            scopes,
            senders,
            now,
            expires,
            session=True,
            parent=parent,
            idleExpiresAt=min(now + self.idle, expires),
            removeAt=expires + KEPT,
        )
        return NewSession(key.id, key.text, name, sorted(scopes), expires)
