"""Notices that the next page shows: "The import was cancelled". A signed cookie carries them there."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from flask import Flask, Response, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from mailroom.console import cookies
from mailroom.console.texts import gettext

_KEPT_SECONDS = 60
_MOST = 5

NoticeKind = Literal["done", "problem"]


class Notice(msgspec.Struct, frozen=True):
    text: str
    kind: NoticeKind


def add(text: str, kind: NoticeKind = "done") -> None:
    """Shows the text on the page that is shown next, usually after a redirect."""
    g.setdefault("new_notices", []).append((text, kind))


def add_refusal(reason: str, already: str | None) -> None:
    """Shows that the API refused a decision: because it was made `already`, a text marked with `later`, or why."""
    if already:
        add(gettext(already))
    else:
        add(gettext("Nothing was done: %(reason)s.", reason=reason), "problem")


def take() -> list[Notice]:
    """The notices for this page. They are then gone."""
    found = [Notice(text, kind) for text, kind in _kept()]
    g.notices_taken = True
    return found + [Notice(text, kind) for text, kind in g.pop("new_notices", [])]


def carry(app: Flask) -> None:
    """Sends new notices with the answers of the application."""

    @app.after_request
    def send(response: Response) -> Response:
        if new := g.get("new_notices"):
            cookies.put(response, cookies.NOTICES, _serializer().dumps(new[-_MOST:]), _KEPT_SECONDS)
        elif g.get("notices_taken") and cookies.NOTICES in request.cookies:
            cookies.remove(response, cookies.NOTICES)
        return response


def _kept() -> list[tuple[str, NoticeKind]]:
    try:
        found: Any = _serializer().loads(request.cookies.get(cookies.NOTICES, ""), max_age=_KEPT_SECONDS)
    except BadSignature:
        return []
    return [(str(text), "problem" if kind == "problem" else "done") for text, kind in found]


def _serializer() -> URLSafeTimedSerializer:
    secret = request.cookies.get(cookies.SESSION) or request.cookies.get(cookies.VISITOR) or "nobody"
    return URLSafeTimedSerializer(secret, salt="mailroom console: notices")
