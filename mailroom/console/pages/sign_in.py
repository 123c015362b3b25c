"""Signing in, with an API key or a one-time code, and signing out."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from mailroom.console import session
from mailroom.console.api import ApiError
from mailroom.console.texts import gettext as _

PAGES = Blueprint("sign_in", __name__)

_SEE_OTHER = 303


@PAGES.get("/sign-in")
def show() -> Response:
    return _form()


@PAGES.post("/sign-in")
def with_key() -> Response:
    key = request.form.get("key", "").strip()
    if not key:
        return _form(_("Enter your API key."), 422)
    try:
        token = session.open_with_key(key)
    except ApiError as error:
        if not error.is_correctable and error.status not in (401, 403):
            raise
        return _form(_("This key is not valid here: it is unknown, revoked or has expired."), 422)
    return _signed_in(token)


@PAGES.get("/enter")
def show_code() -> Response:
    """Looking at a link spends nothing: mail programs and chats look at links too."""
    return make_response(render_template("sign_in/enter.html", code=request.args.get("code", "")))


@PAGES.post("/enter")
def with_code() -> Response:
    try:
        token = session.open_with_code(request.form.get("code", ""))
    except ApiError as error:
        if not error.is_correctable and error.status not in (401, 403):
            raise
        return _form(_("This link has been used, or is older than five minutes. Ask for another one."), 422)
    return _signed_in(token)


@PAGES.post("/sign-out")
def sign_out() -> Response:
    response = make_response(redirect(url_for("sign_in.show", left="1"), _SEE_OTHER))
    session.end(response)
    return response


def _form(problem: str = "", status: int = 200) -> Response:
    page = render_template("sign_in/key.html", problem=problem, next=_next(), left=bool(request.args.get("left")))
    return make_response(page, status)


def _signed_in(token: str) -> Response:
    response = make_response(redirect(_next() or url_for("overview.show"), _SEE_OTHER))
    session.begin(response, token)
    return response


def _next() -> str:
    """The page of ours to go to after signing in; empty for none. A URL that leads elsewhere is none."""
    path = request.values.get("next", "")
    is_path = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    # Browsers go up at `..`, and take %2e for a dot.
    is_ours = is_path and ".." not in unquote(urlsplit(path).path).split("/")
    return request.root_path + path if is_ours else ""
