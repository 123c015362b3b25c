"""The indexes of the notifications' collections. Set-up makes them; one of them serves every query."""

from __future__ import annotations

from pymongo import ASCENDING, DESCENDING, IndexModel

from mailroom.webhooks.announcements import ANNOUNCEMENTS_INDEX

_NEWEST = [("createdAt", DESCENDING), ("_id", DESCENDING)]

# Longer than the signature of such a call is believed.
TOKENS_KEPT_SECONDS = 3600

INDEXES: dict[str, list[IndexModel]] = {
    "notifications": [
        # Messages that are due. It is partial: nearly all messages are sent, and not in it.
        IndexModel(
            [("priority", ASCENDING), ("dueAt", ASCENDING)],
            name="waiting",
            partialFilterExpression={"dueAt": {"$exists": True}},
        ),
        # Lists: of all messages, by state, by recipient, by tag, by sender.
        IndexModel(_NEWEST, name="newest"),
        IndexModel([("state", ASCENDING), *_NEWEST], name="state"),
        IndexModel([("addresses", ASCENDING), *_NEWEST], name="recipient"),
        IndexModel([("tags", ASCENDING), *_NEWEST], name="tag"),
        # The messages of test keys. The index is partial: all others are not in it.
        IndexModel([("test", ASCENDING), *_NEWEST], name="test", partialFilterExpression={"test": {"$exists": True}}),
        # By sender, alone and with a state. A list without a state merges the ranges of all states.
        IndexModel([("sender", ASCENDING), ("state", ASCENDING), *_NEWEST], name="sender"),
        # Retention: messages that still have a body.
        IndexModel([("bodySince", ASCENDING)], name="body", sparse=True),
        ANNOUNCEMENTS_INDEX,
        # Metrics: messages that were tried lately, and those that were reported on.
        IndexModel(
            [("updatedAt", DESCENDING)],
            name="tried",
            partialFilterExpression={"settledBy": {"$exists": True}},
        ),
        IndexModel([("reports.receivedAt", DESCENDING)], name="reported", sparse=True),
        # One message for each Idempotency-Key.
        IndexModel(
            [("idempotency.key", ASCENDING)],
            name="idempotency",
            unique=True,
            partialFilterExpression={"idempotency.key": {"$exists": True}},
        ),
    ],
    # One claim for each message. Leases that have expired.
    "claims": [IndexModel([("messages", ASCENDING)], name="message", unique=True)],
    "leases": [IndexModel([("until", ASCENDING)], name="until")],
    # The versions of a template, newest first; each number once.
    "templates": [IndexModel([("name", ASCENDING), ("version", DESCENDING)], name="version", unique=True)],
    # Soft bounces that are too old to count.
    "softBounces": [IndexModel([("updatedAt", ASCENDING)], name="updated")],
    # Tokens of providers' calls, removed after a while.
    "eventTokens": [IndexModel([("at", ASCENDING)], name="old", expireAfterSeconds=TOKENS_KEPT_SECONDS)],
    "suppressions": [
        # One entry for each address and topic; an entry without a topic counts as one topic.
        IndexModel([("key", ASCENDING), ("topic", ASCENDING)], name="address_topic", unique=True),
        # Lists: of all entries, by topic.
        IndexModel(_NEWEST, name="newest"),
        IndexModel([("topic", ASCENDING), *_NEWEST], name="topic"),
    ],
}

# Indexes of earlier versions, by collection, which others replace. Set-up drops them after it has made the others.
REPLACED: dict[str, list[str]] = {"notifications": ["due"], "suppressions": ["address"]}
