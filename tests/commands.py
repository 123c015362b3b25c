"""What a function asks MongoDB for while a test has it work, as the rights that a server would check."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import monitoring

from mailroom.rights import MONGODB

_NEED_NONE = {"hello", "ping", "endSessions", "getMore", "killCursors"}  # the last two on cursors of one's own


class Recorder(monitoring.CommandListener):
    """Listens to every client that is made after it was registered."""

    def __init__(self) -> None:
        self._used: set[tuple[str, str]] | None = None

    @contextmanager
    def of(self, function: str) -> Iterator[set[tuple[str, str]]]:
        """What is done within is that function's: all of it is among its rights. Yields what it has used so far."""
        self._used = used = set()
        try:
            yield used
        finally:
            self._used = None
        rights = {(collection, action) for collection, actions in MONGODB[function].items() for action in actions}
        assert used <= rights, f"{function} lacks rights: {sorted(used - rights)}"

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if self._used is not None and event.command_name not in _NEED_NONE:
            collection = event.command[event.command_name]
            self._used |= {(collection, action) for action in _actions(event)}

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


def _actions(event: monitoring.CommandStartedEvent) -> set[str]:
    command = event.command
    match event.command_name:
        case "find":
            return {"find"}
        case "aggregate":
            assert not {"$merge", "$out", "$lookup", "$unionWith"} & {
                name for step in command["pipeline"] for name in step
            }
            return {"find"}
        case "insert" | "listIndexes":
            return {event.command_name}
        case "update":
            upserts = any(each.get("upsert") for each in command.get("updates", ()))
            return {"update", "insert"} if upserts else {"update"}
        case "delete":
            return {"remove"}
        case "findAndModify":
            return {"find", "remove"} if command.get("remove") else {"find", "update"}
        case other:
            raise AssertionError(f"which right does {other} need?")


RECORDER = Recorder()
monitoring.register(RECORDER)
