"""Who looks at the page. The cookie holds a session of the API `invoices`: a key that ends by itself.

sign-in page --API key--> POST invoices/sessions --token--> cookie --> every call to the APIs
link with a code --button--> POST invoices/sessions {"code"} --token--> cookie
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
from flask import Response, current_app, g, request

from mailroom.console import cookies
from mailroom.console.api import FORBIDDEN, UNAUTHORIZED, Api, ApiError

_SESSIONS, _CURRENT = "invoices/sessions", "invoices/sessions/current"


class Session(msgspec.Struct, frozen=True, rename="camel"):
    """The session of this request, as the API describes it. Times are in RFC 3339."""

    name: str
    scopes: frozenset[str]
    expires_at: str | None = None
    idle_expires_at: str | None = None

    def may(self, *scopes: str) -> bool:
        """Whether it has one of the scopes; without any, everybody may."""
        return not scopes or not self.scopes.isdisjoint(scopes)


def api() -> Api:
    found: Api = current_app.extensions["mailroom-api"]
    return found


def token() -> str:
    """The token in the cookie; empty for whoever has not signed in."""
    return request.cookies.get(cookies.SESSION, "")


def call(method: str, path: str, **arguments: Any) -> Any:
    """Calls an API with the token of this request: see `Api.call`. Raises `ApiError`."""
    return api().call(method, path, token=_required_token(), **arguments)


def current() -> Session:
    """The session of this request. Asks the API once for each request. Raises `ApiError`."""
    if "session" not in g:
        g.session = msgspec.convert(call("GET", _CURRENT), Session)
    found: Session = g.session
    return found


def require(*scopes: str) -> None:
    """Raises `ApiError` if the session has none of the scopes."""
    if not current().may(*scopes):
        raise ApiError(FORBIDDEN, "auth.scope", f"this key lacks the scope {scopes[0]}")


def look_up() -> None:
    """Lets `known` tell the session, for a page that also does without one: for a stranger, or during an outage."""
    with suppress(ApiError):
        current()


def known() -> Session | None:
    """The session of this request if it is known already. The page around an error asks no API."""
    found: Session | None = g.get("session")
    return found


def open_with_key(key: str) -> str:
    """Exchanges an API key for the token of a new session. Raises `ApiError`."""
    return _token_of(api().call("POST", _SESSIONS, token=key, json={}))


def open_with_code(code: str) -> str:
    """Spends a one-time code. Raises `ApiError`: 401 when it is unknown, spent or too old."""
    return _token_of(api().call("POST", _SESSIONS, json={"code": code}))


def begin(response: Response, token: str) -> None:
    """Keeps the token in the browser, until it closes or the session ends."""
    cookies.put(response, cookies.SESSION, token)
    cookies.remove(response, cookies.VISITOR)


def end(response: Response) -> None:
    """Revokes the session and removes the cookie. Raises `ApiError` when it cannot be revoked now."""
    if token():
        try:
            call("DELETE", _CURRENT)
        except ApiError as error:
            if error.status != UNAUTHORIZED:  # it had ended already
                raise
    forget(response)


def forget(response: Response) -> None:
    """Removes the cookies of a session that has ended."""
    cookies.remove(response, cookies.SESSION)
    cookies.remove(response, cookies.NOTICES)


def _required_token() -> str:
    if not token():
        raise ApiError(UNAUTHORIZED, "auth.session", "sign in first")
    return token()


def _token_of(answer: Any) -> str:
    return str(answer["token"])
