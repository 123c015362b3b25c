"""Connections that are kept between messages."""

from __future__ import annotations

import time

from mailroom.notifications.model.messages import Step
from mailroom.notifications.smtp.connection import Connection
from mailroom.platform.secrets import SMTP_PASSWORD, SMTP_USERNAME, Secrets
from mailroom.platform.settings import Settings

# Shorter than the idle time-out of relays, so that the relay has rarely closed a kept connection.
IDLE_SECONDS = 30.0


class Pool:
    """The callers decide how many connections there are: one for each message in delivery.

    Used from one event loop only.
    """

    def __init__(self, settings: Settings, helo_name: str, secrets: Secrets) -> None:
        self._settings = settings
        self._helo_name = helo_name
        self._secrets = secrets
        self._idle: list[Connection] = []  # the last used one at the end

    def kept(self) -> Connection | None:
        """An idle connection, or None. The relay may have closed it: then try again with a fresh one.

        It is the last used one, so that others grow old. Those that are too old are closed.
        """
        oldest = time.monotonic() - IDLE_SECONDS
        for connection in self._idle:
            if connection.idle_since < oldest:
                connection.close()
        self._idle = [connection for connection in self._idle if connection.usable]
        return self._idle.pop() if self._idle else None

    async def fresh(self, steps: list[Step]) -> Connection:
        """A new connection. Raises `RelayDown`."""
        username, password = map(self._secrets.read_optional, (SMTP_USERNAME, SMTP_PASSWORD))
        return await Connection.open(self._settings, self._helo_name, username, password, steps)

    async def give_back(self, connection: Connection) -> None:
        """Keeps the connection for the next message, or ends it after its last message."""
        if not connection.usable or connection.messages >= self._settings.smtp_messages_per_connection:
            await connection.quit()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.quit()
