"""Keys: the list, making one, and revoking one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from mailroom.console import forms, notices, session, wording
from mailroom.console.api import ApiError
from mailroom.console.areas import Area
from mailroom.console.texts import gettext, later, ngettext
from mailroom.console.texts import gettext as _

PAGES = Blueprint("keys", __name__, url_prefix="/keys")
AREA = Area(later("Keys"), "keys.listed", PAGES, ("keys:manage",))

_SEE_OTHER = 303
_PAGE_SIZE = 50
_FIELDS = {"name": "name", "scopes": "scopes", "senders": "senders", "expiresDays": "expires"}
EXPIRIES = {
    "30": later("in 30 days"),
    "90": later("in 90 days"),
    "365": later("in a year"),
    "": later("never"),
}


@PAGES.get("")
def listed() -> str:
    sessions = request.args.get("sessions") == "true"
    query = {"sessions": str(sessions).lower(), "limit": _PAGE_SIZE, "cursor": request.args.get("cursor", "")}
    page = session.call("GET", "invoices/keys", query=query)
    return render_template("keys/list.html", page=page, sessions=sessions)


@PAGES.get("/new")
def new() -> Response:
    return _form({"scopes": [], "name": "", "senders": "", "expires": "365"}, {})


@PAGES.post("/new")
def make() -> Response:
    """Makes a key, and shows its text. It is in this answer alone, so there is no other page to go to."""
    form = request.form
    given: dict[str, Any] = {
        "name": form.get("name", "").strip(),
        "scopes": form.getlist("scopes"),
        "senders": form.get("senders", ""),
        "expires": form.get("expires", ""),
    }
    if problems := _problems(given):
        return _form(given, problems)
    body: dict[str, Any] = {"name": given["name"], "scopes": given["scopes"]}
    if senders := given["senders"].split():
        body["senders"] = senders
    if given["expires"]:
        body["expiresDays"] = int(given["expires"])
    try:
        made = session.call("POST", "invoices/keys", json=body, idempotency_key=forms.idempotency_key())
    except ApiError as error:
        if not error.is_correctable:
            raise
        fields = {_FIELDS.get(name.partition("[")[0], ""): text for name, text in error.fields.items()}
        return _form(given, fields or {"": error.detail})
    return make_response(render_template("keys/made.html", key=made), 201)


@PAGES.get("/<string(length=24):id>/revoke")
def confirm_revocation(id: str) -> str:
    key = session.call("GET", f"invoices/keys/{id}")
    return render_template(
        "confirm.html",
        title=_("Revoke the key “%(name)s”?", name=key["name"])
        if not key["parent"] and not key["idleExpiresAt"]
        else _("End the session of “%(name)s”?", name=key["name"]),
        effects=_effects(key),
        action=url_for("keys.revoke", id=id),
        button=_("Revoke it"),
        back=url_for("keys.listed"),
    )


@PAGES.post("/<string(length=24):id>/revoke")
def revoke(id: str) -> Response:
    try:
        session.call("DELETE", f"invoices/keys/{id}")
    except ApiError as error:
        if error.code != "keys.last":
            raise
        text = _("This is the last valid key that may manage keys. Make another one first, then revoke it.")
        notices.add(text, "problem")
    else:
        notices.add(_("It is revoked. Within two seconds it opens nothing any more."))
    return redirect(url_for("keys.listed"), _SEE_OTHER)  # type: ignore[return-value]


def _problems(given: dict[str, Any]) -> dict[str, str]:
    problems = {}
    if not given["name"]:
        problems["name"] = _("Enter a name.")
    if not given["scopes"]:
        problems["scopes"] = _("Choose one scope at least.")
    if given["expires"] not in EXPIRIES:
        problems["expires"] = _("Choose when the key ends.")
    return problems


def _form(given: dict[str, Any], problems: dict[str, str]) -> Response:
    """Offers the scopes that the reader has: nobody can give more."""
    page = render_template(
        "keys/new.html",
        given=given,
        problems=problems,
        scopes={name: text for name, text in wording.scopes().items() if session.current().may(name)},
        expiries={days: gettext(text) for days, text in EXPIRIES.items()},
    )
    return make_response(page, 422 if problems else 200)


def _effects(key: Any) -> list[str]:
    count = len(key["scopes"])
    effects = [
        ngettext(
            "Programs and people who use it are refused at once. It has %(num)s scope: %(scopes)s.",
            "Programs and people who use it are refused at once. It has %(num)s scopes: %(scopes)s.",
            count,
            scopes=", ".join(key["scopes"]),
        )
    ]
    if sessions := key["openSessions"]:
        effects.append(ngettext("%(num)s open session ends with it.", "%(num)s open sessions end with it.", sessions))
    if key["current"]:
        effects.append(_("You signed in with it: you have to sign in again with another one."))
    return [*effects, _("This cannot be taken back. Keys that it made stay.")]
