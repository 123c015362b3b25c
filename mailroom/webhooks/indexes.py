"""The indexes of the webhooks' collections. Set-up makes them."""

from __future__ import annotations

from pymongo import ASCENDING, DESCENDING, IndexModel

_NEWEST = [("createdAt", DESCENDING), ("_id", DESCENDING)]

INDEXES: dict[str, list[IndexModel]] = {
    "webhooks": [IndexModel(_NEWEST, name="newest")],
    "webhookDeliveries": [
        # Deliveries that are due. Those that have ended have no `dueAt`.
        IndexModel([("dueAt", ASCENDING)], name="due", sparse=True),
        # Lists: the deliveries of an endpoint, all or by state.
        IndexModel([("endpointId", ASCENDING), *_NEWEST], name="endpoint"),
        IndexModel([("endpointId", ASCENDING), ("state", ASCENDING), *_NEWEST], name="state"),
        # Retention, and the erasure of one notification's deliveries.
        IndexModel(_NEWEST, name="newest"),
        IndexModel([("sourceId", ASCENDING)], name="source"),
    ],
}
