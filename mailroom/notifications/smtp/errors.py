"""How SMTP can fail without an answer."""

from __future__ import annotations

from mailroom.errors import MailroomError


class RelayDown(MailroomError):
    """No usable connection: it was refused, or had no greeting, no TLS, or wrong credentials. Nothing was sent."""


class ConnectionLost(MailroomError):
    """The connection ended, or no answer came in time. It is closed. The relay may have acted on the last command."""
