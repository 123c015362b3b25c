"""Whether the mailbox of the reports could be read last time, by any replica: a document of `cursors`."""

from __future__ import annotations

import logging

from pymongo.errors import PyMongoError

from mailroom.platform.mongo import Documents
from mailroom.platform.server_clock import ServerClock

log = logging.getLogger(__name__)

MAILBOX_ID = "bounce-mailbox"


class MailboxMark:
    """Blocks for MongoDB's answers."""

    def __init__(self, cursors: Documents, clock: ServerClock) -> None:
        self._cursors = cursors
        self._clock = clock

    def note(self, *, up: bool) -> None:
        """Notes how the last look into the mailbox ended. If MongoDB refuses the note, nothing else happens."""
        try:
            change = {"$set": {"up": up, "readAt": self._clock.now()}}
            self._cursors.update_one({"_id": MAILBOX_ID}, change, upsert=True)
        except PyMongoError as error:
            log.info("the state of the mailbox is not noted: %s", type(error).__name__)

    def is_up(self) -> bool | None:
        """None if nobody has looked yet. Errors are the driver's."""
        found = self._cursors.find_one({"_id": MAILBOX_ID}, {"up": 1})
        return None if found is None else bool(found["up"])
