"""Files: the list of imports."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from mailroom.console import session
from mailroom.console.areas import Area
from mailroom.console.texts import later

PAGES = Blueprint("files", __name__)
AREA = Area(later("Files"), "files.imports", PAGES, ("invoices:read",))

_PAGE_SIZE = 50


@PAGES.get("/files")
def imports() -> str:
    chosen = {"state": request.args.get("state", ""), "key": request.args.get("key", "").strip()}
    query = chosen | {"limit": _PAGE_SIZE, "cursor": request.args.get("cursor", "")}
    page = session.call("GET", "invoices/imports", query=query)
    return render_template("files/list.html", page=page, chosen=chosen)
