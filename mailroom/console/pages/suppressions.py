"""Mail: the addresses that get no mail, or none of a topic."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request, url_for

from mailroom.console import forms, notices, session
from mailroom.console.api import NOT_FOUND, ApiError
from mailroom.console.texts import gettext as _

PAGES = Blueprint("suppressions", __name__)

_PAGE_SIZE = 50
_SEE_OTHER = 303
_PATH = "notifications/suppressions"
_FIELDS = ("address", "topic", "reason")


@PAGES.get("/mail/suppressions")
def listed() -> Response:
    return _list({}, {})


@PAGES.post("/mail/suppressions")
def add() -> Response:
    given = {name: request.form.get(f"new-{name}", "").strip() for name in _FIELDS}
    body = {"address": given["address"]} | {name: given[name] for name in ("topic", "reason") if given[name]}
    try:
        answer = session.call("POST", _PATH, json=body, idempotency_key=forms.idempotency_key())
    except ApiError as error:
        if not error.is_correctable:
            raise
        return _list(given, {f"new-{name}": text for name, text in error.fields.items()} or {"": error.detail})
    if answer["topic"] is None:
        notices.add(_("%(address)s gets no mail from now on.", address=answer["address"]))
    else:
        notices.add(_("%(address)s gets no mail of %(topic)s from now on.", **_named(answer)))
    return _back()


@PAGES.get("/mail/suppressions/remove")
def confirm() -> str:
    address, topic = _chosen()
    if topic:
        effect = _("1 entry is removed: %(address)s gets mail of %(topic)s again.", address=address, topic=topic)
    else:
        effect = _("1 entry is removed: %(address)s gets mail again.", address=address)
    return render_template(
        "confirm.html",
        title=_("Let mail go to %(address)s again?", address=address),
        effects=[
            effect,
            _("Remove it only if the mailbox works again, or the person asks for mail: bounces harm your sender."),
        ],
        action=url_for("suppressions.remove", address=address, topic=topic or None),
        button=_("Remove the entry"),
        back=url_for("suppressions.listed"),
    )


@PAGES.post("/mail/suppressions/remove")
def remove() -> Response:
    address, topic = _chosen()
    try:
        session.call(
            "DELETE",
            f"{_PATH}/{address}",
            query={"topic": topic},
            idempotency_key=forms.idempotency_key(),
        )
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        notices.add(_("There was no such entry any more."), "problem")
    else:
        notices.add(_("The entry for %(address)s was removed.", address=address))
    return _back()


def _list(given: dict[str, str], problems: dict[str, str]) -> Response:
    chosen = {name: request.args.get(name, "").strip() for name in ("address", "topic")}
    page: dict[str, Any] = {"items": [], "nextCursor": None}
    try:
        page = session.call(
            "GET", _PATH, query=chosen | {"limit": _PAGE_SIZE, "cursor": request.args.get("cursor", "")}
        )
    except ApiError as error:
        if not error.is_correctable:
            raise
        problems = problems or error.problems
    may_change = session.current().may("notifications:send")
    shown = render_template(
        "suppressions/list.html", page=page, chosen=chosen, given=given, problems=problems, may_change=may_change
    )
    return make_response(shown, 422 if problems else 200)


def _chosen() -> tuple[str, str]:
    """The entry that the URL names."""
    return request.args.get("address", "") or abort(404), request.args.get("topic", "")


def _named(answer: dict[str, str]) -> dict[str, str]:
    return {"address": answer["address"], "topic": answer["topic"]}


def _back() -> Response:
    return make_response(redirect(url_for("suppressions.listed"), _SEE_OTHER))
