"""What every form carries, and what is checked before any of them does something.

A form that changes something is refused unless the browser says that it comes from a page of ours, and unless it holds
the token that belongs to the cookie. Its `idempotency_key` makes a form that is sent twice do its work once.

page of another session --form, old token--> OldForm --> page that keeps the form --the same, new token--> view
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from mailroom.console import cookies
from mailroom.console.api import ApiError

TOKEN_FIELD, KEY_FIELD = "csrf_token", "idempotency_key"
_SAFE = ("GET", "HEAD", "OPTIONS")
_LONGEST_KEY = 200


class OldForm(ApiError):
    """A page of ours sent this form, but the page is of another session. Nothing was done."""


def protect(app: Flask) -> None:
    """Checks every form of the application, and gives those who have not signed in a cookie for theirs."""

    @app.before_request
    def check() -> None:
        if request.method in _SAFE:
            return
        is_ours = _is_same_origin()
        if is_ours is False:
            raise ApiError(400, "form.foreign", "this form was not sent from a page of this console")
        given = request.form.get(TOKEN_FIELD, "")
        secret = _secret()
        if not secret or not hmac.compare_digest(_token(secret).encode(), given.encode()):
            # Of a form that may be anybody's, no page of ours offers to send it.
            refusal = OldForm if is_ours else ApiError
            raise refusal(400, "form.token", "this form is too old: open the page again")

    @app.after_request
    def give(response: Response) -> Response:
        if visitor := g.get("new_visitor"):
            cookies.put(response, cookies.VISITOR, visitor)
        return response


def csrf_token() -> str:
    """The token of the forms of this page. It belongs to the session, or to the cookie of a visitor without one."""
    secret = _secret()
    if not secret:
        secret = g.new_visitor = secrets.token_urlsafe(32)
    return _token(secret)


def new_idempotency_key() -> str:
    return str(uuid.uuid4())


def idempotency_key() -> str:
    """The key that the form carries. A form without one gets a new one, so it is no protection against a repetition."""
    given = request.form.get(KEY_FIELD, "")
    is_usable = 0 < len(given) <= _LONGEST_KEY and given.isascii() and given.isprintable()
    return given if is_usable else new_idempotency_key()


def _secret() -> str:
    return (
        request.cookies.get(cookies.SESSION, "") or request.cookies.get(cookies.VISITOR, "") or g.get("new_visitor", "")
    )


def _token(secret: str) -> str:
    return hmac.new(secret.encode(), b"mailroom console: form", hashlib.sha256).hexdigest()


def _is_same_origin() -> bool | None:
    """What the browser says about the page that sends the form; None if it says nothing."""
    if (site := request.headers.get("Sec-Fetch-Site")) is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return None if origin is None else urlsplit(origin).netloc.lower() == cookies.host().lower()
