"""What is shown when something is refused, missing or out of order: what happened, and what can be done now."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException

from mailroom.console import session
from mailroom.console.api import FORBIDDEN, NOT_FOUND, TOO_MANY, UNAUTHORIZED, ApiError
from mailroom.console.areas import is_partial
from mailroom.console.forms import OldForm
from mailroom.console.texts import gettext as _

log = logging.getLogger(__name__)

_RETRY_SECONDS = 5


def handle(app: Flask) -> None:
    """Shows every error of the application as a page, or within the page as the part that htmx asked for.

    A script that asks for JSON gets the reason as `detail`.
    """

    @app.errorhandler(ApiError)
    def refused(error: ApiError) -> Response:
        if wants_json():
            return _as_json(error)
        match error.status:
            case status if status == UNAUTHORIZED:
                return _without_session()
            case status if status == FORBIDDEN:
                return _page("errors/forbidden.html", FORBIDDEN, error=error, scope=_scope(error.detail))
            case status if status == NOT_FOUND:
                return _page("errors/not_found.html", NOT_FOUND)
            case status if status == TOO_MANY:
                return _again_later("too_many", TOO_MANY, error)
        if error.is_outage:
            log.warning("an API does not answer: %s %s", error.status, error.code)
            return _again_later("outage", HTTPStatus.SERVICE_UNAVAILABLE, error)
        return _page("errors/refused.html", error.status, error=error)

    @app.errorhandler(OldForm)
    def old(error: OldForm) -> Response:
        if is_partial():
            return _page("errors/send_again.html", error.status)
        if wants_json() or not _keeps_form():
            return refused(error)
        try:
            session.current()
        except ApiError as no_session:
            return refused(no_session)
        return _page("errors/send_again.html", error.status, reason="old")

    @app.errorhandler(HTTPException)
    def unknown(error: HTTPException) -> Response:
        if wants_json():
            return _as_json(_as_api_error(error))
        if not is_partial():
            session.look_up()  # for the menu: no view has asked for the session
        if error.code == NOT_FOUND:
            return _page("errors/not_found.html", NOT_FOUND)
        response = _page("errors/refused.html", error.code or 500, error=_as_api_error(error))
        for name, value in error.get_headers():
            if name == "Allow":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        log.error("the page failed", exc_info=error)
        if wants_json():
            return _as_json(ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "page.failed", str(error)))
        return _page("errors/failed.html", HTTPStatus.INTERNAL_SERVER_ERROR, call_id=_call_id())


def wants_json() -> bool:
    """Whether a script asks that shows nothing but the reason."""
    return request.accept_mimetypes.best == "application/json"


def _as_json(error: ApiError) -> Response:
    detail = error.detail
    if error.status == UNAUTHORIZED:
        detail = _("Your session has ended. Load the page again to sign in.")
    elif error.is_outage:
        detail = _("Mailroom does not answer now.")
    response = jsonify({"detail": detail})
    response.status_code = error.status or HTTPStatus.SERVICE_UNAVAILABLE
    return response


def _page(template: str, status: int, **values: Any) -> Response:
    name = template.replace("errors/", "errors/parts/") if is_partial() else template
    response = make_response(render_template(name, **values), status)
    if (seconds := values.get("retry_after")) is not None:
        response.headers["Retry-After"] = str(seconds)
    return response


def _again_later(reason: str, status: int, error: ApiError) -> Response:
    """The same succeeds later. A form is kept until then."""
    template = "errors/send_again.html" if _keeps_form() else f"errors/{reason}.html"
    return _page(template, status, reason=reason, retry_after=error.retry_after or _RETRY_SECONDS)


def _keeps_form() -> bool:
    """Whether the page keeps the form that was sent. A key to sign in with is not kept."""
    return bool(request.form) and request.blueprint not in (None, "sign_in") and not is_partial()


def _without_session() -> Response:
    """The session has ended. A form is kept; a page that was only read is shown again after the sign-in."""
    wanted = request.full_path.rstrip("?") if request.method == "GET" and not is_partial() else ""
    target = url_for("sign_in.show", next=wanted or None)
    if _keeps_form():
        response = _page("errors/send_again.html", UNAUTHORIZED, reason="ended")
    elif is_partial():
        response = Response(headers={"HX-Redirect": target})
    else:
        response = make_response(redirect(target, HTTPStatus.SEE_OTHER))
    if session.token():  # a link of another site brings none, and ends no session
        session.forget(response)
    return response


def _scope(detail: str) -> str:
    """The scope that the API names: `this key lacks the scope invoices:read`."""
    return next((word for word in detail.split() if ":" in word), "")


def _as_api_error(error: HTTPException) -> ApiError:
    return ApiError(error.code or 500, "page.refused", error.description or error.name)


def _call_id() -> str:
    return request.headers.get("X-Call-Id", "")
