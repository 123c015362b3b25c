"""API keys: `mr_<id>_<secret>`. MongoDB keeps a hash of the secret, which is shown once, when the key is made.

The secret has 256 random bits, so a plain SHA-256 is as good as a slow hash: nobody can guess it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from datetime import datetime, timedelta

import msgspec
from bson import ObjectId
from bson.errors import InvalidId

from mailroom.errors import Refusal
from mailroom.platform.mongo import Document, Documents, server_time

SCOPES = (
    *("invoices:read", "invoices:write"),
    *("notifications:read", "notifications:send", "notifications:test", "notifications:erase"),
    *("templates:read", "templates:write"),
    *("webhooks:read", "webhooks:write"),
)

# A replica trusts what it read of a key for this long: it is the delay of a revocation.
CACHE_SECONDS = 2.0
_CACHE_SIZE = 1000
_NO_HASH = bytes(32)


class InvalidKey(Refusal):
    """There is no key, or it is unknown, wrong, expired or revoked. The message does not say which."""


class Caller(msgspec.Struct, frozen=True):
    """The owner of a key. `scopes` such as `invoices:read`. `senders` are patterns: it may send from such addresses."""

    id: str
    name: str
    scopes: frozenset[str]
    senders: tuple[str, ...] = ()


class NewKey(msgspec.Struct, frozen=True):
    """A key just made. `text` is what the caller keeps; it cannot be had again."""

    id: str
    text: str


class ApiKeys:
    """The keys in the collection `apiKeys`."""

    def __init__(self, collection: Documents) -> None:
        self._collection = collection
        self._cache: dict[ObjectId, tuple[float, Document | None]] = {}
        self._lock = threading.Lock()

    def create(
        self, name: str, scopes: list[str], expires: timedelta | None = None, senders: tuple[str, ...] = ()
    ) -> NewKey:
        """Makes a key. `scopes` are of `SCOPES`; it works at once and on every replica."""
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise ValueError(f"unknown scope {', '.join(unknown)}: there are {', '.join(SCOPES)}")
        now = server_time(self._collection.database)
        secret, key_id = secrets.token_urlsafe(32), ObjectId()
        self._collection.insert_one(
            {
                "_id": key_id,
                "name": name,
                "hash": _hash(secret),
                "scopes": sorted(set(scopes)),
                "senders": sorted(set(senders)),
                "createdAt": now,
                "expiresAt": now + expires if expires else None,
                "revokedAt": None,
            }
        )
        return NewKey(str(key_id), f"mr_{key_id}_{secret}")

    def all(self) -> list[Document]:
        """Every key, oldest first, without its hash."""
        return list(self._collection.find({}, {"hash": 0}).sort("_id", 1))

    def revoke(self, key_id: str) -> bool:
        """Ends a key on every replica within `CACHE_SECONDS`. False when there is no such key."""
        if not ObjectId.is_valid(key_id):
            return False
        now = server_time(self._collection.database)
        # Not a conditional update: revoking twice is fine, and keeps the first time.
        return bool(
            self._collection.update_one(
                {"_id": ObjectId(key_id)}, [{"$set": {"revokedAt": {"$ifNull": ["$revokedAt", now]}}}]
            ).matched_count
        )

    def authenticate(self, authorization: str) -> Caller:
        """The caller whose key the header `Authorization` holds.

        Raises:
            InvalidKey: after the same time for an unknown, a wrong, an expired and a revoked key.
        """
        key_id, secret = _split(authorization)
        document = self._find(key_id) if key_id else None
        right = hmac.compare_digest(_hash(secret), document["hash"] if document else _NO_HASH)
        if document is None or not right or not self._valid(document):
            code = "auth.invalid" if authorization else "auth.missing"
            raise InvalidKey(code, "send a valid API key as: Authorization: Bearer KEY")
        # A key of an earlier version has no senders.
        senders = tuple(document.get("senders", ()))
        return Caller(str(document["_id"]), document["name"], frozenset(document["scopes"]), senders)

    def _valid(self, document: Document) -> bool:
        expires: datetime | None = document["expiresAt"]
        return document["revokedAt"] is None and (expires is None or expires.timestamp() > time.time())

    def _find(self, key_id: ObjectId) -> Document | None:
        with self._lock:
            read_at, document = self._cache.get(key_id, (float("-inf"), None))
        if time.monotonic() - read_at < CACHE_SECONDS:
            return document
        document = self._collection.find_one({"_id": key_id})
        with self._lock:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()  # strangers' ids must not fill the memory
            self._cache[key_id] = (time.monotonic(), document)
        return document


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


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
