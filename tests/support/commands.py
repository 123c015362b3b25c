"""Records the commands of a function, as the rights that MongoDB would check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymongo import monitoring

from mailroom.deploy.permissions import MONGODB

_NEED_NONE = {"hello", "ping", "endSessions", "getMore", "killCursors"}  # the last two on own cursors


class Recorder(monitoring.CommandListener):
    """Listens to every client made after its registration."""

    def __init__(self) -> None:
        self._used: set[tuple[str, str]] | None = None
        self._unknown: set[str] = set()

    @contextmanager
    def of(self, function: str) -> Iterator[set[tuple[str, str]]]:
        """Asserts that the function's rights cover all commands within the block. Yields the rights used so far."""
        self._used, self._unknown = used, unknown = set(), set()
        try:
            yield used
        finally:
            self._used = None
        assert not unknown, f"which rights do these need? {sorted(unknown)}"
        rights = {(collection, action) for collection, actions in MONGODB[function].items() for action in actions}
        assert used <= rights, f"{function} lacks rights: {sorted(used - rights)}"

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self._used is not None and event.command_name not in _NEED_NONE:
            name, command = event.command_name, event.command
            if (actions := _actions(name, command)) is None:
                self._unknown.add(name)  # the driver only prints an exception of a listener
            else:
                self._used |= {(command[name] if name != "dbStats" else "", action) for action in actions}

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


def _actions(name: str, command: Mapping[str, Any]) -> set[str] | None:
    """The rights of a command; None for an unknown command."""
    match name:
        case "find" | "distinct" | "count":
            return {"find"}
        case "aggregate":
            elsewhere = {"$merge", "$out", "$lookup", "$unionWith"}
            return None if elsewhere & {stage for step in command["pipeline"] for stage in step} else {"find"}
        case "insert":
            return {"insert"}
        case "update":
            upserts = any(each.get("upsert") for each in command.get("updates", ()))
            return {"update", "insert"} if upserts else {"update"}
        case "delete":
            return {"remove"}
        case "findAndModify":
            if command.get("remove"):
                return {"find", "remove"}
            return {"find", "update", "insert"} if command.get("upsert") else {"find", "update"}
        case "dbStats":  # of the whole database
            return {"dbStats"}
        case _:
            return None


RECORDER = Recorder()
monitoring.register(RECORDER)
