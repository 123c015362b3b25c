"""The indexes of the webhooks' collections. Set-up makes them."""

from __future__ import annotations

from pymongo import ASCENDING, DESCENDING, IndexModel

_NEWEST = [("createdAt", DESCENDING), ("_id", DESCENDING)]

_WAITING = {"dueAt": {"$exists": True}}

INDEXES: dict[str, list[IndexModel]] = {
    "webhooks": [IndexModel(_NEWEST, name="newest")],
    "webhookDeliveries": [
        # Those that wait have `dueAt`: of each endpoint, and all of them to find those that have waited too long.
        IndexModel([("endpointId", ASCENDING), ("dueAt", ASCENDING)], name="due", partialFilterExpression=_WAITING),
        IndexModel([("dueSince", ASCENDING)], name="waiting", partialFilterExpression=_WAITING),
        # Lists: the deliveries of an endpoint, all or by state.
        IndexModel([("endpointId", ASCENDING), *_NEWEST], name="endpoint"),
        IndexModel([("endpointId", ASCENDING), ("state", ASCENDING), *_NEWEST], name="state"),
        # Retention, and the erasure of one notification's deliveries.
        IndexModel(_NEWEST, name="newest"),
        IndexModel([("sourceId", ASCENDING)], name="source"),
    ],
}
