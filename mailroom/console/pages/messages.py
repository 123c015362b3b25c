"""Mail: the list of messages."""

from __future__ import annotations

from flask import Blueprint, render_template, request, url_for

from mailroom.console import session

PAGES = Blueprint("messages", __name__)

_PAGE_SIZE = 50


@PAGES.get("/mail")
def listed() -> str:
    chosen = {name: request.args.get(name, "").strip() for name in ("status", "emailTo", "sender", "tag")}
    query = chosen | {"limit": _PAGE_SIZE, "cursor": request.args.get("cursor", "")}
    page = session.call("GET", "notifications", query=query)
    return render_template("messages/list.html", page=page, chosen=chosen)


def link(id: str) -> str:
    """The page of a message."""
    return url_for("messages.show", id=id)
