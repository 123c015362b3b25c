"""The random tokens of calls whose signature does not cover their body: each is good for one body."""

from __future__ import annotations

import hashlib

from pymongo.errors import DuplicateKeyError

from mailroom.platform.mongo import Documents
from mailroom.platform.server_clock import ServerClock


class UsedTokens:
    """The collection `eventTokens`. An index of it removes a token after an hour."""

    def __init__(self, collection: Documents, clock: ServerClock) -> None:
        self._collection = collection
        self._clock = clock

    def is_first(self, token: str, body: bytes) -> bool:
        """Whether the token is new, or came with the same body before: the provider repeats a call without answer."""
        digest = hashlib.sha256(body).digest()
        try:
            self._collection.insert_one({"_id": token, "digest": digest, "at": self._clock.now()})
        except DuplicateKeyError:
            found = self._collection.find_one({"_id": token})
            return found is None or bytes(found["digest"]) == digest
        return True
