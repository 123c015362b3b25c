"""Connections kept between messages. Used from one event loop only, so it needs no lock."""

from __future__ import annotations

import time

from mailroom.notifications.model.messages import Step
from mailroom.notifications.smtp.connection import Connection, RelaySettings

# Shorter than any relay's patience, so that a kept connection has rarely been closed from the other side.
IDLE_SECONDS = 30.0


class Pool:
    """How many connections there are at once is decided by who asks for them: one for each message in delivery."""

    def __init__(self, settings: RelaySettings, messages_per_connection: int) -> None:
        self._settings = settings
        self._most_messages = messages_per_connection
        self._idle: list[Connection] = []

    def kept(self) -> Connection | None:
        """A connection that has been used before. It may turn out to be closed: it is worth a second try."""
        while self._idle:
            connection = self._idle.pop()  # the last used: the others may then grow old and be closed
            if connection.usable and time.monotonic() - connection.idle_since < IDLE_SECONDS:
                return connection
            connection.close()
        return None

    async def fresh(self, steps: list[Step]) -> Connection:
        """A new connection. Raises `RelayDown`."""
        return await Connection.open(self._settings, steps)

    async def give_back(self, connection: Connection) -> None:
        """Keeps the connection for the next message, or ends it when it has had its share."""
        if not connection.usable or connection.messages >= self._most_messages:
            await connection.quit()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.quit()
