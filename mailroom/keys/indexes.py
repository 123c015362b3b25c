"""The indexes of the collections of keys. Set-up makes them."""

from __future__ import annotations

from pymongo import ASCENDING, DESCENDING, IndexModel

# Spent and expired codes are of no use; for a day, an operator can see that one was spent.
_CODES_KEPT_SECONDS = 86400

INDEXES: dict[str, list[IndexModel]] = {
    "apiKeys": [
        # Lists: of all keys without sessions, or of all sessions.
        IndexModel([("session", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)], name="newest"),
        # Sessions are removed; a key has no such member, and stays.
        IndexModel([("removeAt", ASCENDING)], name="old", expireAfterSeconds=0),
        # One key for each Idempotency-Key of a caller.
        IndexModel(
            [("idempotency.key", ASCENDING)],
            name="idempotency",
            unique=True,
            partialFilterExpression={"idempotency.key": {"$exists": True}},
        ),
    ],
    "loginCodes": [IndexModel([("expiresAt", ASCENDING)], name="old", expireAfterSeconds=_CODES_KEPT_SECONDS)],
}
