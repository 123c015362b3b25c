"""How talking to the relay can fail other than by an answer."""

from __future__ import annotations

from mailroom.errors import MailroomError


class RelayDown(MailroomError):
    """No connection that could be used: refused, no greeting, no TLS, wrong credentials. Nothing was sent."""


class ConnectionLost(MailroomError):
    """The connection ended, or no answer came in time. The connection is closed; what was sent last may count."""
