"""What is due first, also of a deep queue."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from mailroom.notifications.model.messages import Priority
from mailroom.notifications.outbox.claims import Due
from mailroom.platform.mongo import Documents

# How many times what is wanted should be due by the times up to which the queue is read.
_MORE_THAN_ENOUGH = (1.25, 5)

# Messages of a batch are due at the same time.
_LEAST_SPREAD = timedelta(milliseconds=20)


class _Spread(NamedTuple):
    """When the first of a queue were due: so many `messages` from `first` to `last`."""

    first: datetime
    last: datetime
    messages: int

    def time_of(self, more: float) -> datetime:
        """By when so many more should be due."""
        return self.last + max(self.last - self.first, _LEAST_SPREAD) * (more / self.messages)


class Queue:
    """The messages of a collection that have a `dueAt`.

    They are looked for up to a time by which enough should be due, from how close together the last ones were: a server
    that reads all that matches before it looks at the limit then reads a deep queue once, and not each time.
    """

    def __init__(self, messages: Documents) -> None:
        self._messages = messages
        self._spreads: dict[Priority, _Spread] = {}

    def first(self, priority: Priority, now: datetime, count: int) -> list[Due]:
        """The first of those that are due, `count` of them if there are so many."""
        spread = self._spreads.get(priority)
        near = [min(now, spread.time_of(times * count)) for times in _MORE_THAN_ENOUGH] if spread else []
        for until in (*near, now):
            which = {"priority": priority, "dueAt": {"$lte": until}}
            found = list(self._messages.find(which, {"epoch": 1, "dueAt": 1}).sort("dueAt", 1).limit(count))
            if len(found) == count or until == now:
                break
        if len(found) == count:
            self._spreads[priority] = _Spread(found[0]["dueAt"], found[-1]["dueAt"], count)
        else:
            self._spreads.pop(priority, None)  # it is not deep: all of it is as quickly read
        return [Due(each["_id"], each["epoch"]) for each in found]
