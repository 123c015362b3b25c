"""The contract of sessions and keys: what each route takes and answers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from mailroom.keys.api.schemas import CurrentSession, StartedSession
from mailroom.web.endpoints import Operation


class StartSession(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /sessions`. `scopes` goes with a key, `code` is sent instead of one."""

    scopes: list[str] | None = None
    code: Annotated[str, Meta(max_length=200)] | None = None


START_SESSION = Operation(
    "Start a session",
    {201: StartedSession},
    body=StartSession,
    body_required=False,
    problems=(403,),
    text="A session is a key that lives for a short time: SESSION_HOURS at most, and SESSION_IDLE_MINUTES after it was "
    "last used. It ends with the key that started it. With `scopes` it has fewer scopes than that key. A session "
    "cannot start sessions (403 `session.nested`).\n\nInstead of a key, `code` may be sent: a one-time code that "
    "`keys code` printed. It is spent by this call; 401 `auth.code` when it is wrong, used or expired.",
)
GET_SESSION = Operation(
    "The session of this call",
    {200: CurrentSession},
    problems=(404,),
    text="It counts as use of the session, and moves `idleExpiresAt`, by steps of a minute. Other calls do not. 404 "
    "`session.none` when the call shows a key that is no session.",
)
END_SESSION = Operation(
    "End the session of this call",
    {204: None},
    problems=(404,),
    text="Both APIs refuse it from then on, other replicas within two seconds.",
)
