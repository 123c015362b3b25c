"""What the API of sessions and keys sends."""

from __future__ import annotations

from enum import StrEnum

from mailroom.web.schemas import Cursor, Id, Schema, Time


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


class KeyState(StrEnum):
    """Whether a key opens anything. A session whose key was revoked says `valid`, and opens nothing."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ListedKey(Schema):
    """A key or a session. `createdBy` is the id of the key that made it; null if a command did.

    `senders` are the addresses that it may send from, or `*@DOMAIN`; without any, MAIL_FROM alone. `parent` is the key
    that a session was started with.
    """

    id: Id
    name: str
    scopes: list[str]
    senders: list[str]
    state: KeyState
    created_at: Time
    created_by: Id | None
    expires_at: Time | None
    revoked_at: Time | None
    parent: Id | None
    idle_expires_at: Time | None


class KeyDetails(ListedKey):
    """One key or session. `current`: this call was made with it, or with a session that it started.

    `openSessions` is how many sessions would end with it, at most 1,000 counted.
    """

    open_sessions: int
    current: bool


class KeyList(Schema):
    """A page of keys, newest first."""

    items: list[ListedKey]
    next_cursor: Cursor | None


class MadeKey(ListedKey):
    """A key just made. `key` is its text, which is shown only now."""

    key: str
