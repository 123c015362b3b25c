"""Mail: the templates. They are edited beside a preview; every change makes a version.

template_trials.py shows what they would say, and sends tests.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from mailroom.console import forms, notices, session
from mailroom.console.api import NOT_FOUND, ApiError
from mailroom.console.sample_values import sample_values
from mailroom.console.texts import gettext as _
from mailroom.console.texts import ngettext

PAGES = Blueprint("templates", __name__)
READ, WRITE = "templates:read", "templates:write"
SEND = ("notifications:send", "notifications:test")
PATH = "notifications/templates"
SOURCES = ("subject", "html", "text")
FIELDS = ("name", *SOURCES, "parameters", "to")

_PAGE_SIZE = 50
_MOST_VERSIONS = 200
_SEE_OTHER = 303
_NAME = "/mail/templates/named/<string(maxlength=64):name>"
_VERSION = f"{_NAME}/versions/<int:version>"


@PAGES.get("/mail/templates")
def listed() -> str:
    query = {"limit": _PAGE_SIZE, "cursor": request.args.get("cursor", "")}
    page = session.call("GET", PATH, query=query)
    return render_template("templates/list.html", page=page, may_write=session.current().may(WRITE))


@PAGES.get("/mail/templates/new")
def begin() -> Response:
    return editor(dict.fromkeys(FIELDS, ""))


@PAGES.get(_NAME)
def edit(name: str) -> Response:
    stored = session.call("GET", f"{PATH}/{name}")
    content = _content(stored)
    values = sample_values(content.values())
    return editor({"name": name, **content, "parameters": values, "to": ""}, stored=stored)


@PAGES.post("/mail/templates/new")
def make() -> Response:
    given = given_fields()
    given["name"] = given["name"].strip()
    try:
        # A slash or a dot alone would be another path of the API, which then names another field or none.
        if not given["name"] or "/" in given["name"] or given["name"].strip(".") == "":
            return editor(given, {"name": _("Give the template a name.")})
        if _exists(given["name"]):
            return editor(given, {"name": _("There is a template of this name already.")})
        stored = _put(given["name"], given)
    except ApiError as error:
        if not error.is_correctable:
            raise
        return editor(given, problems_of(error))
    notices.add(_("The template %(name)s was made.", name=stored["name"]))
    return _to_editor(stored["name"])


@PAGES.post(_NAME)
def save(name: str) -> Response:
    given = given_fields() | {"name": name}
    stored = session.call("GET", f"{PATH}/{name}")
    if str(stored["version"]) != request.form.get("version") and _content(stored) != _content(given):
        text = _(
            "Version %(version)s was saved meanwhile. Look at it under Versions; saving again makes yours the newest.",
            version=stored["version"],
        )
        return editor(given, {"": text}, stored=stored, status=409)
    try:
        saved = _put(name, given)
    except ApiError as error:
        if not error.is_correctable:
            raise
        return editor(given, problems_of(error), stored=stored)
    if saved["version"] == stored["version"] and str(stored["version"]) == request.form.get("version"):
        notices.add(_("Nothing has changed: version %(version)s stays the newest.", version=saved["version"]))
    else:
        notices.add(_("Saved as version %(version)s.", version=saved["version"]))
    return _to_editor(name)


@PAGES.get(f"{_NAME}/versions")
def versions(name: str) -> str:
    query = {"limit": _PAGE_SIZE, "cursor": request.args.get("cursor", "")}
    page = session.call("GET", f"{PATH}/{name}/versions", query=query)
    return render_template("templates/versions.html", name=name, page=page)


@PAGES.get(_VERSION)
def version(name: str, version: int) -> str:
    """An old version: what it says, and the way to put it back."""
    shown = session.call("GET", f"{PATH}/{name}", query={"version": version})
    newest = _newest(name)
    return render_template(
        "templates/version.html",
        shown=shown,
        values=sample_values(shown[name] for name in SOURCES),
        newest=newest,
        may_write=session.current().may(WRITE),
        is_newest=newest is not None and newest["version"] == version,
        is_same=newest is not None and _content(newest) == _content(shown),
    )


@PAGES.post(f"{_VERSION}/put-back")
def put_back(name: str, version: int) -> Response:
    old = session.call("GET", f"{PATH}/{name}", query={"version": version})
    saved = _put(name, _content(old))
    notices.add(_("Version %(old)s was put back, as version %(version)s.", old=version, version=saved["version"]))
    return _to_editor(name)


@PAGES.get(f"{_NAME}/end")
def confirm_end(name: str) -> str:
    session.require(WRITE)
    stored = session.call("GET", f"{PATH}/{name}")
    found = session.call("GET", f"{PATH}/{name}/versions", query={"limit": _MOST_VERSIONS})
    kept = sum(not each["deleted"] for each in found["items"])
    return render_template(
        "confirm.html",
        title=_("End the template %(name)s?", name=name),
        effects=[
            _("No message can be made from its newest version, %(version)s, any more.", version=stored["version"]),
            ngettext(
                "%(num)s version stays: it can be looked at and put back.",
                "%(num)s versions stay: they can be looked at and put back.",
                kept,
            ),
            _("Programs that name one of them by its number can go on using it."),
        ],
        action=url_for("templates.end", name=name),
        button=_("End the template"),
        back=url_for("templates.edit", name=name),
    )


@PAGES.post(f"{_NAME}/end")
def end(name: str) -> Response:
    try:
        session.call("DELETE", f"{PATH}/{name}", idempotency_key=forms.idempotency_key())
    except ApiError as error:
        if error.status != NOT_FOUND:  # it had ended already
            raise
    notices.add(_("The template %(name)s has ended. Its versions stay.", name=name))
    return make_response(redirect(url_for("templates.versions", name=name), _SEE_OTHER))


def editor(
    given: dict[str, str],
    problems: dict[str, str] | None = None,
    *,
    stored: dict[str, Any] | None = None,
    status: int = 422,
    key: str = "",
) -> Response:
    """The page that edits a template: a new one without `stored`."""
    who = session.current()
    page = render_template(
        "templates/edit.html",
        given=given,
        problems=problems or {},
        stored=stored,
        may_write=who.may(WRITE),
        may_send=who.may(*SEND),
        is_test=not who.may("notifications:send"),
        key=key,
    )
    return make_response(page, status if problems else 200)


def given_fields() -> dict[str, str]:
    """What the editor's form holds. Browsers send line ends as CR LF."""
    return {name: request.form.get(name, "").replace("\r\n", "\n") for name in FIELDS}


def content_of(given: dict[str, str]) -> dict[str, str | None]:
    """The content as the API takes it: without HTML or text there is none."""
    return {
        "subject": given["subject"],
        "html": given["html"] if given["html"].strip() else None,
        "text": given["text"] if given["text"].strip() else None,
    }


def problems_of(error: ApiError) -> dict[str, str]:
    """What the API refuses, at the fields of the form: `parameters.name` belongs to `parameters`."""
    found: dict[str, str] = {}
    for field, text in error.problems.items():
        name = field.removeprefix("content.").partition(".")[0].partition("[")[0]
        found.setdefault({"emailTo": "to"}.get(name, name if name in FIELDS else ""), text)
    return found


def _content(stored: dict[str, Any]) -> dict[str, str]:
    return {name: (stored[name] or "").replace("\r\n", "\n") for name in SOURCES}


def _put(name: str, given: dict[str, str]) -> Any:
    return session.call("PUT", f"{PATH}/{name}", json=content_of(given), idempotency_key=forms.idempotency_key())


def _exists(name: str) -> bool:
    """Whether another template has this name. The same content again is a form that was sent twice."""
    found = _newest(name)
    return found is not None and _content(found) != _content(given_fields())


def _newest(name: str) -> Any:
    """The newest version, or None for a template that there is not, or that has ended."""
    try:
        return session.call("GET", f"{PATH}/{name}")
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return None


def _to_editor(name: str) -> Response:
    return make_response(redirect(url_for("templates.edit", name=name), _SEE_OTHER))
