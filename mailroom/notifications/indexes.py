"""The indexes of our collections. Set-up makes them; every query of `store.py` and `outbox.py` is served by one."""

from __future__ import annotations

from pymongo import ASCENDING, DESCENDING, IndexModel

_NEWEST = [("createdAt", DESCENDING), ("_id", DESCENDING)]

INDEXES: dict[str, list[IndexModel]] = {
    "notifications": [
        # What is due. Not partial, although only what waits has a due time: SecantusDB would not use it.
        IndexModel([("priority", ASCENDING), ("dueAt", ASCENDING)], name="due"),
        # Lists: all, by state, by recipient, by tag.
        IndexModel(_NEWEST, name="newest"),
        IndexModel([("state", ASCENDING), *_NEWEST], name="state"),
        IndexModel([("addresses", ASCENDING), *_NEWEST], name="recipient"),
        IndexModel([("tags", ASCENDING), *_NEWEST], name="tag"),
        # Retention: those that still have a body.
        IndexModel([("bodySince", ASCENDING)], name="body", sparse=True),
        # One message for each Idempotency-Key.
        IndexModel(
            [("idempotency.key", ASCENDING)],
            name="idempotency",
            unique=True,
            partialFilterExpression={"idempotency.key": {"$exists": True}},
        ),
    ],
    # One claim for each message; the leases whose time is over.
    "claims": [IndexModel([("messages", ASCENDING)], name="message", unique=True)],
    "leases": [IndexModel([("until", ASCENDING)], name="until")],
    # The newest version of a template, all of them, and no number twice.
    "templates": [IndexModel([("name", ASCENDING), ("version", DESCENDING)], name="version", unique=True)],
    "suppressions": [
        IndexModel([("key", ASCENDING)], name="address", unique=True),
        IndexModel(_NEWEST, name="newest"),
    ],
}
