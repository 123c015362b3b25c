"""API keys: `mr_<id>_<secret>`. MongoDB keeps a hash of the secret, which is shown once, when the key is made.

The secret has 256 random bits, so a plain SHA-256 is as good as a slow hash: nobody can guess it.

A session is a key that lives for a short time. It ends with the key that it was started with, its parent.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from bson import ObjectId
from bson.errors import InvalidId
from pymongo.errors import DuplicateKeyError

from mailroom.errors import Refusal
from mailroom.platform.mongo import Document, Documents, server_time

SCOPES = (
    *("invoices:read", "invoices:write"),
    *("notifications:read", "notifications:send", "notifications:test", "notifications:erase"),
    *("templates:read", "templates:write"),
    *("webhooks:read", "webhooks:write"),
    *("keys:manage", "operations:read"),
)

MOST_DAYS = 36_500  # of the life of a key that expires

# A replica trusts what it read of a key for this long: it is the delay of a revocation.
CACHE_SECONDS = 2.0
_CACHE_SIZE = 1000
_NO_HASH = bytes(32)


class InvalidKey(Refusal):
    """There is no key, or it is unknown, wrong, expired or revoked. The message does not say which."""


class Caller(msgspec.Struct, frozen=True):
    """The owner of a key. `scopes` such as `invoices:read`. `senders` are patterns: it may send from such addresses.

    `session` is the id of the session, if the caller has shown one. Then `id` is that of the session's parent; a
    session that a one-time code started has no parent, and its own id.
    """

    id: str
    name: str
    scopes: frozenset[str]
    senders: tuple[str, ...] = ()
    session: str | None = None


class NewKey(msgspec.Struct, frozen=True):
    """A key just made. `text` is what the caller keeps; it cannot be had again."""

    id: str
    text: str


class ApiKeys:
    """The keys in the collection `apiKeys`."""

    def __init__(self, collection: Documents) -> None:
        self._collection = collection
        self._cache: dict[ObjectId, tuple[float, Document | None]] = {}
        self._forgotten = 0  # how often a key was forgotten
        self._lock = threading.Lock()

    def create(
        self, name: str, scopes: list[str], expires: timedelta | None = None, senders: tuple[str, ...] = ()
    ) -> NewKey:
        """Makes a key. `scopes` are of `SCOPES`; it works at once and on every replica."""
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise ValueError(f"unknown scope {', '.join(unknown)}: there are {', '.join(SCOPES)}")
        now = server_time(self._collection.database)
        return self.insert(name, scopes, senders, now, None if expires is None else now + expires)

    def insert(
        self,
        name: str,
        scopes: Iterable[str],
        senders: Iterable[str],
        now: datetime,
        expires_at: datetime | None,
        **members: Any,
    ) -> NewKey:
        """Stores a new key with further `members`. Errors are the driver's."""
        secret, key_id = new_secret(), ObjectId()
        document = {
            "_id": key_id,
            "name": name,
            "hash": hash_of(secret),
            "scopes": sorted(set(scopes)),
            "senders": sorted(set(senders)),
            "createdAt": now,
            "expiresAt": expires_at,
            "revokedAt": None,
            **members,
        }
        try:
            self._collection.insert_one(document)
        except DuplicateKeyError:
            # No id is used twice. If it exists, the insert arrived, its answer was lost, and the driver repeated it.
            if self._collection.find_one({"_id": key_id}) is None:
                raise
        return NewKey(str(key_id), f"mr_{key_id}_{secret}")

    def all(self) -> list[Document]:
        """Every key, oldest first, without its hash. Sessions are left out."""
        return list(self._collection.find({"session": None}, {"hash": 0}).sort("_id", 1))

    def revoke(self, key_id: str) -> bool:
        """Ends a key, and its sessions: here at once, on every other replica within `CACHE_SECONDS`.

        False when there is no such key.
        """
        if not ObjectId.is_valid(key_id):
            return False
        now = server_time(self._collection.database)
        # Not a conditional update: revoking twice is fine, and keeps the first time.
        found = self._collection.update_one(
            {"_id": ObjectId(key_id)}, [{"$set": {"revokedAt": {"$ifNull": ["$revokedAt", now]}}}]
        )
        self.forget(ObjectId(key_id))
        return bool(found.matched_count)

    def forget(self, key_id: ObjectId) -> None:
        """Has the key read anew when it is shown the next time, for it was changed."""
        with self._lock:
            self._forgotten += 1
            self._cache.pop(key_id, None)

    def authenticate(self, authorization: str) -> Caller:
        """The caller whose key the header `Authorization` holds.

        Raises:
            InvalidKey: after the same time for an unknown, a wrong, an expired and a revoked key.
        """
        key_id, secret = _split(authorization)
        document = self._find(key_id) if key_id else None
        right = hmac.compare_digest(hash_of(secret), document["hash"] if document else _NO_HASH)
        if document is None or not right or not self._valid(document):
            raise refusal(missing=not authorization)
        id_ = str(document["_id"])
        return Caller(
            id=str(document.get("parent") or id_),
            name=document["name"],
            scopes=frozenset(document["scopes"]),
            senders=tuple(document.get("senders", ())),  # a key of an earlier version has none
            session=id_ if document.get("session") else None,
        )

    def _valid(self, document: Document) -> bool:
        if document["revokedAt"] is not None or _is_past(document["expiresAt"]):
            return False
        if _is_past(document.get("idleExpiresAt")) and not self._is_used(document["_id"]):
            return False
        if not (parent := document.get("parent")):
            return True
        found = self._find(parent)
        return found is not None and self._valid(found)

    def _is_used(self, session: ObjectId) -> bool:
        """Whether another replica has moved the idle limit of the session since it was read here."""
        self.forget(session)
        found = self._find(session)
        return found is not None and found["revokedAt"] is None and not _is_past(found["idleExpiresAt"])

    def _find(self, key_id: ObjectId) -> Document | None:
        with self._lock:
            read_at, document = self._cache.get(key_id, (float("-inf"), None))
            forgotten = self._forgotten
        if time.monotonic() - read_at < CACHE_SECONDS:
            return document
        document = self._collection.find_one({"_id": key_id})
        with self._lock:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()  # strangers' ids must not fill the memory
            if forgotten == self._forgotten:  # else it may have changed since it was read
                self._cache[key_id] = (time.monotonic(), document)
        return document


def refusal(*, missing: bool) -> InvalidKey:
    """The refusal of a caller who has shown no valid key; `missing`: none at all."""
    return InvalidKey(
        "auth.missing" if missing else "auth.invalid", "send a valid API key as: Authorization: Bearer KEY"
    )


def new_secret() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _is_past(limit: datetime | None) -> bool:
    return limit is not None and limit.timestamp() <= time.time()


def _split(authorization: str) -> tuple[ObjectId | None, str]:
    scheme, _, key = authorization.strip().partition(" ")
    prefix, _, rest = key.strip().partition("_")
    key_id, _, secret = rest.partition("_")
    if scheme.lower() != "bearer" or prefix != "mr":
        return None, ""
    try:
        return ObjectId(key_id), secret
    except InvalidId:
        return None, secret
