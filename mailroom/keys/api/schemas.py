"""What the API of sessions and keys sends."""

from __future__ import annotations

from mailroom.web.schemas import Id, Schema, Time


class StartedSession(Schema):
    """A session just started. `token` is sent as a key is; it is shown only now."""

    id: Id
    token: str
    name: str
    scopes: list[str]
    expires_at: Time
    idle_seconds: int


class CurrentSession(Schema):
    """The session that the call showed. It ends at `expiresAt`, and before if it is not used until `idleExpiresAt`."""

    id: Id
    name: str
    scopes: list[str]
    expires_at: Time
    idle_expires_at: Time
