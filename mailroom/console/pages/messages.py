"""Mail: the list of messages, and the page of one. message_actions.py has what people decide about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for

from mailroom.console import session
from mailroom.console.api import UNAUTHORIZED, ApiError
from mailroom.console.downloads import download
from mailroom.console.frames import framed, framed_text
from mailroom.console.images import with_images
from mailroom.console.texts import gettext as _

PAGES = Blueprint("messages", __name__)

_PAGE_SIZE = 50
_FILTERS = ("status", "emailTo", "sender", "tag", "from", "to", "test")
_FORMS = ("html", "text", "source")
_WAITING = ("queued", "sending")


@PAGES.get("/mail")
def listed() -> Response:
    chosen = {name: request.args.get(name, "").strip() for name in _FILTERS}
    cursor, problems = request.args.get("cursor", ""), dict[str, str]()
    page: dict[str, Any] = {"items": [], "nextCursor": None}
    try:
        page = session.call("GET", "notifications", query=_query(chosen) | {"limit": _PAGE_SIZE, "cursor": cursor})
    except ApiError as error:
        if not error.is_correctable:
            raise
        problems = error.problems
    counts = {} if problems or cursor else _counts(chosen)
    shown = render_template("messages/list.html", page=page, chosen=chosen, counts=counts, problems=problems)
    return make_response(shown, 422 if problems else 200)


@PAGES.get("/mail/<string(length=24):id>")
def show(id: str) -> str:
    message = session.call("GET", f"notifications/{id}")
    form = request.args.get("form", "")
    if form not in _FORMS:
        form = "html" if message["html"] else "text"
    source = ""
    if form == "source" and not message["erasedAt"]:
        source = session.call("GET", f"notifications/{id}/content", query={"form": "source"})["source"]
    return render_template("messages/show.html", message=message, form=form, source=source, seen=_seen(message))


@PAGES.get("/mail/<string(length=24):id>/html")
def html(id: str) -> Response:
    """The HTML of the mail, as a document of its own for the frame of the page."""
    try:
        shown = session.call("GET", f"notifications/{id}/content", query={"form": "html"})["html"]
        if "cid:" in shown.lower():
            attached = session.call("GET", f"notifications/{id}")["attachments"]
            shown = with_images(shown, attached, lambda number: _content(id, number))
        return framed(shown)
    except ApiError as error:
        if error.status == UNAUTHORIZED:
            raise
        # The page of an error may not be shown in a frame.
        return framed_text(_("This cannot be shown now. Load the page again."), error.status or 503)


@PAGES.get("/mail/<string(length=24):id>/attachments/<int:number>")
def attachment(id: str, number: int) -> Response:
    response = download(_attachment(id, number))
    # Whatever its type is, a browser keeps it as a file and opens nothing of it here.
    response.content_type = "application/octet-stream"
    return response


def _content(id: str, number: int) -> bytes:
    return session.api().answer("GET", _attachment(id, number), token=session.token()).data


def _attachment(id: str, number: int) -> str:
    return f"notifications/{id}/attachments/{number}"


@PAGES.get("/mail/<string(length=24):id>/changes")
def changes(id: str) -> Response:
    """Asked by the page of a message that waits: the page is loaded again once something has happened."""
    message = session.call("GET", f"notifications/{id}")
    response = Response(status=204)
    if _seen(message) != request.args.get("seen"):
        response.headers["HX-Refresh"] = "true"
    return response


def _seen(message: Mapping[str, Any]) -> str:
    """What the page shows of a message that waits; empty once nothing more happens by itself."""
    return f"{message['status']} {message['updatedAt']}" if message["status"] in _WAITING else ""


def _query(chosen: Mapping[str, str]) -> dict[str, str]:
    return dict(chosen) | _times(chosen)


def _times(chosen: Mapping[str, str]) -> dict[str, str]:
    """The times of the days that are chosen, both included. What is no day is left to the API to refuse."""
    times = {name: chosen[name] for name in ("from", "to")}
    for name, days in (("from", 0), ("to", 1)):
        try:
            times[name] = f"{date.fromisoformat(chosen[name]) + timedelta(days)}T00:00:00Z"
        except (ValueError, OverflowError):
            continue
    return times


def _counts(chosen: Mapping[str, str]) -> dict[str, Any]:
    """The numbers of messages by status, and what they count. Empty where the API counts no such selection."""
    if chosen["sender"] or chosen["tag"] or chosen["test"]:
        return {}
    if chosen["emailTo"]:
        answer = session.call("GET", "notifications/counts", query={"emailTo": chosen["emailTo"]} | _times(chosen))
        return {"numbers": answer["counts"], "of_person": True, "most": None}
    if chosen["from"] or chosen["to"]:
        return {}
    answer = session.call("GET", "notifications/figures/messages")
    return {"numbers": answer["counts"], "of_person": False, "most": answer["mostCounted"], "answer": answer}


def link(id: str) -> str:
    """The page of a message."""
    return url_for("messages.show", id=id)
