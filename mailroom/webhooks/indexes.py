"""The indexes of the webhooks' collections. Set-up makes them."""

from __future__ import annotations

from pymongo import ASCENDING, DESCENDING, IndexModel

_NEWEST = [("createdAt", DESCENDING), ("_id", DESCENDING)]

_WAITING = {"dueAt": {"$exists": True}}

INDEXES: dict[str, list[IndexModel]] = {
    "webhooks": [
        IndexModel(_NEWEST, name="newest"),
        # One endpoint for each Idempotency-Key of a caller.
        IndexModel(
            [("idempotency.key", ASCENDING)],
            name="idempotency",
            unique=True,
            partialFilterExpression={"idempotency.key": {"$exists": True}},
        ),
    ],
    "webhookDeliveries": [
        # Deliveries that wait have `dueAt`. Those of one endpoint: the ones that wait for another are not read.
        IndexModel(
            [("endpointId", ASCENDING), ("dueAt", ASCENDING)], name="endpointDue", partialFilterExpression=_WAITING
        ),
        # Those that have waited too long.
        IndexModel([("dueSince", ASCENDING)], name="waiting", partialFilterExpression=_WAITING),
        # Lists: the deliveries of an endpoint, all or by state.
        IndexModel([("endpointId", ASCENDING), *_NEWEST], name="endpoint"),
        IndexModel([("endpointId", ASCENDING), ("state", ASCENDING), *_NEWEST], name="state"),
        # Retention, and the erasure of one notification's deliveries.
        IndexModel(_NEWEST, name="newest"),
        IndexModel([("sourceId", ASCENDING)], name="source"),
    ],
}
