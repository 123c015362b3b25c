"""Brings what an earlier version stored to the form of this one: keys of addresses, and the senders of messages.

That version took `straße` and `strasse` for one. It did not note the sender's key.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from mailroom.notifications.model import addresses
from mailroom.platform.mongo import Document, Documents, errors_without_documents, time_limit

UPGRADE_ID, SENDERS_ID = "notifications-address-keys", "notifications-senders"
"""The documents in `cursors` that say up to which message each upgrade has looked."""

_BATCH = 500
_BATCH_SECONDS = 600.0
"""MongoDB reads each message with its attachments, which may have megabytes."""

# The ids of messages begin with the time of a function's clock. This much one may be behind another.
_CLOCKS = timedelta(hours=1)

# Only the keys of these have changed.
_NOT_ASCII = {"$regex": "[^\\x00-\\x7f]"}


def rewrite_address_keys(database: Database[Document]) -> tuple[int, int]:
    """Returns how many messages and how many suppressions it changed. May be interrupted and run again.

    Of the messages it looks only at those that came since the last time: a function of the earlier version may have
    taken some after the last set-up. It looks at all suppressions, which are few.
    """
    return _rewrite_messages(database), _rewrite_suppressions(database["suppressions"])


def note_senders(database: Database[Document]) -> int:
    """Gives messages of an earlier version the field `sender`, which lists select by. Returns how many it changed.

    May be interrupted and run again. It looks only at the messages that came since the last time.
    """
    collection, changed = database["notifications"], 0
    for ids in _new_messages(database, SENDERS_ID):
        with time_limit(database, _BATCH_SECONDS):
            # The address is in ASCII, so its key is the address in lower case.
            changed += collection.update_many(
                {"_id": ids, "sender": {"$exists": False}}, [{"$set": {"sender": {"$toLower": "$from.address"}}}]
            ).modified_count
    return changed


def _rewrite_messages(database: Database[Document]) -> int:
    collection, changed = database["notifications"], 0
    for ids in _new_messages(database, UPGRADE_ID):
        with time_limit(database, _BATCH_SECONDS):
            found = list(collection.find({"_id": ids, "recipients.address": _NOT_ASCII}, {"recipients.address": 1}))
        keys = {each["_id"]: sorted({addresses.key(to["address"]) for to in each["recipients"]}) for each in found}
        writes = [
            UpdateOne({"_id": id_, "addresses": {"$ne": new}}, {"$set": {"addresses": new}})
            for id_, new in keys.items()
        ]
        if writes:
            with errors_without_documents():
                changed += collection.bulk_write(writes, ordered=False).modified_count
    return changed


def _new_messages(database: Database[Document], upgrade: str) -> Iterator[Document]:
    """Conditions on `_id` for the messages that `upgrade` has not looked at. It notes a range when asked for more."""
    cursors = database["cursors"]
    cursor = cursors.find_one({"_id": upgrade})
    after = ObjectId.from_datetime(cursor["lookedUntil"].generation_time - _CLOCKS) if cursor else None
    for ids in _ranges(database["notifications"], after):
        yield ids
        cursors.update_one({"_id": upgrade}, {"$set": {"lookedUntil": ids["$lte"]}}, upsert=True)


def _rewrite_suppressions(collection: Documents) -> int:
    changed = 0
    for ids in _ranges(collection):
        for each in collection.find({"_id": ids, "address": _NOT_ASCII}):
            new = addresses.key(each["address"])
            if each["key"] != new:
                changed += _rewrite_suppression(collection, each, new)
    return changed


def _rewrite_suppression(collection: Documents, entry: Document, new: str) -> bool:
    """If another entry has the new key already, that one stays, and suppresses the address."""
    try:
        return bool(collection.update_one({"_id": entry["_id"]}, {"$set": {"key": new}}).modified_count)
    except DuplicateKeyError:
        other = collection.find_one({"key": new, "topic": entry.get("topic")})
        if other is None or addresses.key(other["address"]) != new:
            return False  # its key is to be rewritten too: the next run goes on
        return bool(collection.delete_one({"_id": entry["_id"]}).deleted_count)


def _ranges(collection: Documents, after: ObjectId | None = None) -> Iterator[Document]:
    """Conditions on `_id` that divide the documents of the collection, or those `after` an id."""
    rest: Document = {"_id": {"$gt": after}} if after else {}
    while ids := [each["_id"] for each in collection.find(rest, {"_id": 1}).sort("_id", 1).limit(_BATCH)]:
        yield {"$gte": ids[0], "$lte": ids[-1]}
        rest = {"_id": {"$gt": ids[-1]}}
