"""The indexes of the importer's collections. `mailroom.deploy.setup` makes them."""

from __future__ import annotations

from pymongo import ASCENDING as UP
from pymongo import DESCENDING as DOWN
from pymongo import IndexModel

from mailroom.invoices.imports.job import REJECTED
from mailroom.invoices.imports.ledger import AWAITS_MAIL
from mailroom.webhooks.announcements import ANNOUNCEMENTS_INDEX

_REJECTS_DAYS = 30
_PREDICTIONS_DAYS = 1
_COMPARISONS_DAYS = 30

# Each index of `invoices` costs import speed. So one index serves all equality filters: `lookups` holds `status:paid`,
# `currency:EUR` and so on, and the entries of the index are in the order of the date. The invoices of one supplier with
# one status are asked for more often than any other pair of filters: they have an index of their own.
INDEXES: dict[str, list[IndexModel]] = {
    "invoices": [
        IndexModel([("invoiceDate", UP), ("_id", UP)], name="invoiceDate"),
        IndexModel([("updatedAt", UP), ("_id", UP)], name="updatedAt"),
        IndexModel([("lookups", UP), ("invoiceDate", UP), ("_id", UP)], name="lookups"),
        IndexModel([("supplierKey", UP), ("status", UP), ("invoiceDate", UP), ("_id", UP)], name="supplierStatus"),
    ],
    "imports": [
        IndexModel([("dueAt", UP)], name="due", sparse=True),
        IndexModel([(AWAITS_MAIL, UP)], name="unannounced", sparse=True),
        ANNOUNCEMENTS_INDEX,
        IndexModel([("createdAt", DOWN), ("_id", DOWN)], name="createdAt"),
        IndexModel([("key", UP), ("createdAt", DOWN), ("_id", DOWN)], name="key"),
        IndexModel([("state", UP), ("createdAt", DOWN), ("_id", DOWN)], name="state"),
        # Its last field tells it from `createdAt`: not every server takes two indexes with the same fields.
        IndexModel(
            [("createdAt", DOWN), ("_id", DOWN), (REJECTED, UP)],
            name="rejected",
            partialFilterExpression={REJECTED: {"$gt": 0}},
        ),
        # Metrics: what ended lately, and what events or listings found.
        IndexModel([("finishedAt", DOWN)], name="finished", sparse=True),
        IndexModel(
            [("foundBy", UP), ("createdAt", DOWN)],
            name="foundBy",
            partialFilterExpression={"foundBy": {"$exists": True}},
        ),
    ],
    # The versions of a preset, newest first; each number once.
    "presets": [IndexModel([("name", UP), ("version", DOWN)], name="version", unique=True)],
    "comparisons": [
        IndexModel([("importId", UP), ("part", UP)], name="import"),
        IndexModel([("createdAt", UP)], name="expiry", expireAfterSeconds=_COMPARISONS_DAYS * 86400),
    ],
    "predictions": [IndexModel([("createdAt", UP)], name="expiry", expireAfterSeconds=_PREDICTIONS_DAYS * 86400)],
    "rejects": [
        IndexModel([("importId", UP), ("offset", UP)], name="import"),
        IndexModel([("createdAt", UP)], name="expiry", expireAfterSeconds=_REJECTS_DAYS * 86400),
    ],
}
