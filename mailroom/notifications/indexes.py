"""The indexes of our collections. Set-up makes them; every query of `store.py` and `outbox.py` is served by one."""

from __future__ import annotations

from pymongo import ASCENDING, DESCENDING, IndexModel

_NEWEST = [("createdAt", DESCENDING), ("_id", DESCENDING)]

INDEXES: dict[str, list[IndexModel]] = {
    "notifications": [
        # Claims. Only what waits has a due time.
        IndexModel([("dueAt", ASCENDING)], name="due", sparse=True),
        # Lists: all, by state, by recipient. A person's messages are few enough to filter by state one by one.
        IndexModel(_NEWEST, name="newest"),
        IndexModel([("state", ASCENDING), *_NEWEST], name="state"),
        IndexModel([("addresses", ASCENDING), *_NEWEST], name="recipient"),
        # One message for each Idempotency-Key.
        IndexModel(
            [("idempotency.key", ASCENDING)],
            name="idempotency",
            unique=True,
            partialFilterExpression={"idempotency.key": {"$exists": True}},
        ),
    ],
}
