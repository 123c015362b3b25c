"""Mail: addresses that get no mail."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from mailroom.console import session

PAGES = Blueprint("suppressions", __name__)

_PAGE_SIZE = 50


@PAGES.get("/mail/suppressions")
def listed() -> str:
    chosen = {name: request.args.get(name, "").strip() for name in ("address", "topic")}
    query = chosen | {"limit": _PAGE_SIZE, "cursor": request.args.get("cursor", "")}
    page = session.call("GET", "notifications/suppressions", query=query)
    return render_template("suppressions/list.html", page=page, chosen=chosen)
