"""The figures of an overview of mail. Each is computed at most once a minute in a process, in bounded time."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from bson import ObjectId

from mailroom.notifications.model.messages import State
from mailroom.notifications.outbox.claims import Claims
from mailroom.notifications.outbox.history import as_shown
from mailroom.notifications.outbox.waiting_facts import MessageWaiting
from mailroom.platform.cached import Cached
from mailroom.platform.mongo import Documents, counted
from mailroom.platform.server_clock import ServerClock
from mailroom.platform.waiting import Waiting

DAYS = 30
"""Messages that have ended are counted if they were accepted in the last days."""

_SECONDS = 60.0

# The oldest message that waits is looked for among so many. Before it, there may be messages that are to be sent later.
_LOOKED_AT = 1000

_WAITING = (State.QUEUED, State.SENDING)


class OldestMessage(msgspec.Struct, frozen=True):
    """The message that has been due for longest: since when, and what it waits for."""

    id: ObjectId
    since: datetime
    waiting: Waiting | None


class MessageSums(msgspec.Struct, frozen=True):
    """How many messages are in each state, and the oldest one that waits."""

    counts: dict[str, int]
    oldest: OldestMessage | None
    computed_at: datetime


class MessageFigures:
    """`get` blocks for MongoDB at most once a minute, for a few short reads of an index. Errors are the driver's."""

    def __init__(self, messages: Documents, claims: Claims, waiting: MessageWaiting, clock: ServerClock) -> None:
        self._messages = messages
        self._claims = claims
        self._waiting = waiting
        self._clock = clock
        self.get = Cached(self._compute, _SECONDS).get

    def _compute(self) -> MessageSums:
        now = self._clock.now()
        return MessageSums(counts_by_state(self._messages, self._claims, now), self._oldest(now), now)

    def _oldest(self, now: datetime) -> OldestMessage | None:
        found = [first for state in _WAITING for first in self._first(state, now)]
        if not found:
            return None
        since, id_ = min(found)
        document = self._messages.find_one({"_id": id_}, {"text": 0, "html": 0, "attachments": 0})
        if document is None:
            return None
        shown = as_shown(document, self._claims.handed_over())
        return OldestMessage(id_, since, self._waiting.of(shown))

    def _first(self, state: State, now: datetime) -> list[tuple[datetime, ObjectId]]:
        """The messages of the state that were accepted first and are due by now: since when, and which."""
        found = self._messages.find({"state": state}, {"dueSince": 1}).hint("state")
        oldest = found.sort([("createdAt", 1), ("_id", 1)]).limit(_LOOKED_AT)
        return [(each["dueSince"], each["_id"]) for each in oldest if each["dueSince"] <= now]


def counts_by_state(messages: Documents, claims: Claims, now: datetime) -> dict[str, int]:
    """The messages of the last `DAYS` by state, and all that wait; `MOST_COUNTED` of each. Reads an index."""
    sending = len({each.id for each in claims.handed_over()})
    recent = {"createdAt": {"$gte": now - timedelta(days=DAYS)}}
    counts = {
        state.value: counted(messages, {"state": state} | ({} if state in _WAITING else recent), "state")
        for state in State
    }
    moved = min(sending, counts[State.QUEUED])  # as in the lists: they say `queued` until they have a result
    counts[State.QUEUED] -= moved
    counts[State.SENDING] += moved
    return counts
