"""Mail that must not be sent by itself after a restore: what waits in a backup may have been sent since."""

from __future__ import annotations

from datetime import datetime

from mailroom.notifications.model import State
from mailroom.platform.mongo import Documents


def hold(collection: Documents, now: datetime) -> int:
    """Makes every message that waits or is in delivery `unknown`: a person resends or leaves it. How many they were."""
    change = {
        "$set": {
            "state": State.UNKNOWN,
            "error": {"code": "delivery.unknown", "message": "restored from a backup; it may have been sent since"},
            "updatedAt": now,
        },
        "$inc": {"epoch": 1},
        "$unset": {"dueAt": ""},
    }
    return collection.update_many({"state": {"$in": [State.QUEUED, State.SENDING]}}, change).modified_count
