"""Mail: what a template that is being edited would say: its preview, and a test that is sent. Nothing is saved."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response, make_response, redirect, render_template, request
from werkzeug.exceptions import NotFound

from mailroom.console import forms, notices, session
from mailroom.console.api import NOT_FOUND, TOO_MANY, UNAUTHORIZED, ApiError
from mailroom.console.areas import is_partial
from mailroom.console.frames import framed, framed_text
from mailroom.console.pages import templates
from mailroom.console.pages.messages import link
from mailroom.console.pages.templates import PATH, SOURCES, content_of, editor, given_fields, problems_of
from mailroom.console.submission import submit
from mailroom.console.texts import gettext as _

PAGES = templates.PAGES

_UNNAMED = "new-template"  # the API wants a name, also of a template that has none yet
_SEE_OTHER = 303


@PAGES.post("/mail/templates/preview")
def preview() -> Response:
    """The part of the editor that htmx asks for; the content of a frame for those without scripts."""
    given = given_fields()
    rendered: Any = None
    problems: dict[str, str] = {}
    if is_partial() and not any(given[name].strip() for name in SOURCES):
        return make_response(render_template("templates/preview.html", rendered=None, problems={}))
    try:
        rendered = _rendered(given)
    except ApiError as error:
        if not is_partial():
            return framed_text(_reason(error), error.status or 503)
        if not error.is_correctable and error.status != UNAUTHORIZED:
            raise
        problems = {"": _reason(error)}
    if is_partial():
        return make_response(render_template("templates/preview.html", rendered=rendered, problems=problems))
    if rendered["html"] is None:
        return framed_text(f"{rendered['subject']}\n\n{rendered['text']}")
    return framed(rendered["html"])


@PAGES.post("/mail/templates/preview/html")
def preview_html() -> Response:
    """The HTML that the preview was filled with, as a document of its own."""
    return framed(request.form.get("html", ""))


@PAGES.post("/mail/templates/test")
def send_test() -> Response:
    """Sends what the preview shows."""
    given = given_fields()
    recipient = given["to"].strip()
    name = request.form.get("of", "")
    stored = _stored(name)
    if not recipient:
        return editor(given, {"to": _("Enter the address that gets the test.")}, stored=stored)
    try:
        rendered = _rendered(given)
        message = {"emailTo": recipient} | {
            part: rendered[part] for part in ("subject", "html", "text") if rendered[part] is not None
        }
        answer = submit(message)
    except ApiError as error:
        if error.is_correctable:
            return editor(given, problems_of(error), stored=stored)
        if not error.is_outage and error.status != TOO_MANY:
            raise
        text = _("Mailroom does not answer now. Your text is kept here: send it again, it is sent only once.")
        return editor(given, {"": text}, stored=stored, status=error.status or 503, key=forms.idempotency_key())
    notices.add(
        _("The test was accepted. Your key sends tests only: nobody gets it.")
        if answer.get("test")
        else _("The test was accepted and is sent to %(address)s now.", address=recipient)
    )
    return make_response(redirect(link(answer["id"]), _SEE_OTHER))


def _rendered(given: dict[str, str]) -> Any:
    """The subject, HTML and text. Raises `ApiError`."""
    name = request.form.get("of") or _UNNAMED
    body = {"parameters": _parameters(given["parameters"]), "content": content_of(given)}
    return session.call("POST", f"{PATH}/{name}/preview", json=body)


def _parameters(text: str) -> dict[str, Any]:
    """Raises `ApiError`, like the API would."""
    if not text.strip():
        return {}
    try:
        return dict(msgspec.json.decode(text, type=dict[str, Any]))
    except (msgspec.DecodeError, RecursionError):
        detail = _("The values must be a JSON object such as %(example)s.", example='{"name": "Anna"}')
        raise ApiError(422, "parameters.invalid", detail, {"parameters": detail}) from None


def _stored(name: str) -> Any:
    if not name:
        return None
    try:
        return session.call("GET", f"{PATH}/{name}")
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        raise NotFound from None


def _reason(error: ApiError) -> str:
    if error.status == UNAUTHORIZED:
        return _("Your session has ended. Your text stays here: save it, and the next page lets you sign in.")
    if error.is_outage or error.status == TOO_MANY:
        return _("There is no preview just now. Your text is kept in the form.")
    return error.detail
