"""The contract of sessions and keys: what each route takes and answers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from mailroom.keys.api.schemas import CurrentSession, KeyDetails, KeyList, MadeKey, StartedSession
from mailroom.platform.api_keys import MOST_DAYS
from mailroom.web.endpoints import PAGE, Operation, Parameter


class StartSession(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /sessions`. `scopes` goes with a key, `code` is sent instead of one."""

    scopes: list[str] | None = None
    code: Annotated[str, Meta(max_length=200)] | None = None


class MakeKey(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /keys`. Without `senders` the key has those of the caller; without `expiresDays` it stays."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[str], Meta(min_length=1, max_length=50)]
    senders: Annotated[list[str], Meta(max_length=100)] | None = None
    expires_days: Annotated[float, Meta(gt=0, le=MOST_DAYS)] | None = None


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
LIST_KEYS = Operation(
    "A page of the keys, newest first",
    {200: KeyList},
    parameters=(
        Parameter(
            "sessions",
            "`true`: the sessions instead of the keys.",
            Annotated[str, Meta(extra_json_schema={"enum": ["true", "false"], "default": "false"})],
        ),
        *PAGE,
    ),
)
GET_KEY = Operation("One key or session, and what ends with it", {200: KeyDetails}, problems=(404,))
MAKE_KEY = Operation(
    "Make a key",
    {201: MadeKey},
    body=MakeKey,
    parameters=(Parameter("Idempotency-Key", "A repeat makes no second key: it is refused with 409.", where="header"),),
    problems=(409,),
    text="A key gives only scopes and senders that it has itself (403 `scopes.not_allowed`, `senders.not_allowed`). "
    "The text of the key is shown only in this answer. So a repeat with the same `Idempotency-Key` cannot show it "
    "again: it gets 409 `keys.made`, which names the id of the key.",
)
REVOKE_KEY = Operation(
    "Revoke a key or a session",
    {204: None},
    problems=(404, 409),
    text="It ends on every replica within two seconds, and so do the sessions that it started; keys that it made stay. "
    "409 `keys.last` for the last valid key with `keys:manage`; the command `keys revoke` ends that one too.",
)
