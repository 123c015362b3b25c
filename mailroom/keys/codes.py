"""One-time codes: whoever has one may start one session. They are made by a command, never through the API.

A code has 256 random bits, and MongoDB keeps its hash. It is spent by one conditional update.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from pymongo.database import Database

from mailroom.platform.api_keys import SCOPES, InvalidKey, hash_of, new_secret
from mailroom.platform.mongo import Document
from mailroom.platform.server_clock import ServerClock

# A code that a person copies from one window into another one is used soon.
MINUTES = 5.0


class LoginCodes:
    """The codes in the collection `loginCodes`. Blocks for MongoDB's answers; errors are the driver's."""

    def __init__(self, database: Database[Document], clock: ServerClock) -> None:
        self._collection = database["loginCodes"]
        self._clock = clock

    def create(self, name: str, scopes: Collection[str], lifetime: timedelta, senders: tuple[str, ...] = ()) -> str:
        """A code for one session with these `scopes`, which are of `SCOPES`. `name` is the session's, for people."""
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise ValueError(f"unknown scope {', '.join(unknown)}: there are {', '.join(SCOPES)}")
        now, code = self._clock.now(), new_secret()
        self._collection.insert_one(
            {
                "_id": hash_of(code),
                "name": name,
                "scopes": sorted(set(scopes)),
                "senders": sorted(set(senders)),
                "createdAt": now,
                "expiresAt": now + lifetime,
                "spentAt": None,
            }
        )
        return code

    def spend(self, code: str) -> Document:
        """What the code stands for. Of several calls at once, one gets it.

        Raises:
            InvalidKey: the code is unknown, spent or expired. The message does not say which.
        """
        now = self._clock.now()
        unspent = {"_id": hash_of(code), "spentAt": None, "expiresAt": {"$gt": now}}
        found = self._collection.find_one_and_update(unspent, {"$set": {"spentAt": now}})
        if found is None:
            raise InvalidKey("auth.code", "this code is wrong, used or expired: ask for a new one")
        return found
