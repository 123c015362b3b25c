"""Mail: write a message and send it, with a text of its own or made from a template."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from flask import Blueprint, Response, make_response, redirect, render_template, request

from mailroom.console import forms, notices, session
from mailroom.console.api import TOO_MANY, ApiError
from mailroom.console.pages.messages import link
from mailroom.console.submission import submit
from mailroom.console.texts import gettext as _

PAGES = Blueprint("write", __name__)
SCOPES = ("notifications:send", "notifications:test")

_TEMPLATES = "templates:read"
_MOST_TEMPLATES = 200
_MOST_DIGITS = 9  # of a version
_SEE_OTHER = 303
_LISTS = ("emailTo", "cc", "bcc", "replyTo")
_OWN = ("subject", "text", "html")
_FIELDS = (*_LISTS, *_OWN, "from", "template", "version", "parameters", "tags", "topic", "priority", "sendAt")

# Fields of the API whose part of the form has another name.
_SHOWN_AT = {"message": "text", "unsubscribe": "topic"}


class _Invalid(Exception):
    """What is wrong with the form, by its fields. The API was not asked."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__(problems)
        self.problems = problems


@PAGES.get("/mail/write")
def show() -> str:
    return _form({name: request.args.get(name, "") for name in _FIELDS}, {})


@PAGES.post("/mail/write")
def send() -> Response:
    given = {name: request.form.get(name, "").replace("\r\n", "\n") for name in _FIELDS}
    try:
        message = _message(given)
        answer = submit(message)
    except _Invalid as invalid:
        return make_response(_form(given, invalid.problems), 422)
    except ApiError as error:
        if error.is_correctable:
            return make_response(_form(given, _problems(error)), error.status)
        if not error.is_outage and error.status != TOO_MANY:
            raise
        # Whether the message was stored is not known. With the same key it is stored once.
        text = _("Mailroom does not answer now. Your text is kept here: send it again, it is sent only once.")
        page = _form(given, {"": text}, forms.idempotency_key())
        return make_response(page, error.status if error.status == TOO_MANY else 503)
    notices.add(
        _("The message was accepted. It is a test: nobody gets it.")
        if answer.get("test")
        else _("The message was accepted. It is sent now, or at the time that you chose.")
    )
    return make_response(redirect(link(answer["id"]), _SEE_OTHER))


def _form(given: dict[str, str], problems: dict[str, str], key: str = "") -> str:
    values = request.form if request.method == "POST" else request.args
    uses_template = bool(values.get("use_template") or given["template"])
    return render_template(
        "write/form.html",
        given=given,
        problems=problems,
        from_template=uses_template,
        templates=_templates() if uses_template else {},
        is_test=not session.current().may("notifications:send"),
        key=key,
    )


def _templates() -> dict[str, str]:
    """The names of the templates, for a choice. Empty for a key that may not read them."""
    if not session.current().may(_TEMPLATES):
        return {}
    try:
        page = session.call("GET", "notifications/templates", query={"limit": _MOST_TEMPLATES})
    except ApiError as error:
        if not error.is_outage and error.status != TOO_MANY:
            raise
        return {}  # the name can be written
    if page["nextCursor"]:
        return {}  # too many to choose from: the name is written too
    return {each["name"]: each["name"] for each in page["items"]}


def _message(given: dict[str, str]) -> dict[str, Any]:
    """The body of the call. Raises `_Invalid`."""
    message: dict[str, Any] = {}
    for name in _LISTS:
        if found := _split(given[name]):
            message[name] = found
    if not message.get("emailTo"):
        raise _Invalid({"emailTo": _("Enter at least one recipient.")})
    if given["from"].strip():
        message["from"] = given["from"].strip()
    if request.form.get("use_template"):
        message["template"] = _template(given)
    else:
        message |= {"subject": given["subject"]}
        message |= {name: given[name] for name in ("text", "html") if given[name].strip()}
    if tags := [each.strip() for each in given["tags"].split(",") if each.strip()]:
        message["tags"] = tags
    if given["topic"].strip():
        message["unsubscribe"] = {"topic": given["topic"].strip()}
    if given["priority"]:
        message["priority"] = given["priority"]
    if given["sendAt"].strip():
        message["sendAt"] = f"{given['sendAt'].strip()}Z"
    return message


def _template(given: dict[str, str]) -> dict[str, Any]:
    template: dict[str, Any] = {"name": given["template"].strip()}
    if not template["name"]:
        raise _Invalid({"template": _("Name the template.")})
    if version := given["version"].strip():
        if not version.isdecimal() or len(version) > _MOST_DIGITS:
            raise _Invalid({"version": _("A version is a number.")})
        template["version"] = int(version)
    if given["parameters"].strip():
        try:
            template["parameters"] = msgspec.json.decode(given["parameters"], type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            text = _("The values must be a JSON object such as %(example)s.", example='{"name": "Anna"}')
            raise _Invalid({"parameters": text}) from None
    return template


def _split(text: str) -> list[str]:
    """Addresses, one a line or with commas between them."""
    return [each.strip() for each in re.split(r"[,;\n]", text) if each.strip()]


def _problems(error: ApiError) -> dict[str, str]:
    """What the API refuses, at the fields of the form: `emailTo[0]` belongs to `emailTo`."""
    found: dict[str, str] = {}
    for field, text in error.problems.items():
        first, second, *_rest = [*re.split(r"[\[.]", field), ""]
        name = second if first == "template" and second in _FIELDS else _SHOWN_AT.get(first, first)
        found.setdefault(name if name in _FIELDS else "", text)
    return found
