"""Files: the list of imports."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request

from mailroom.console import session
from mailroom.console.api import ApiError
from mailroom.console.areas import Area
from mailroom.console.texts import later

PAGES = Blueprint("files", __name__)
AREA = Area(later("Files"), "files.imports", PAGES, ("invoices:read",))

_PAGE_SIZE = 50
_FILTERS = ("key", "state", "rejected")
_NO_PAGE: dict[str, Any] = {"items": [], "nextCursor": None}


@PAGES.get("/files")
def imports() -> Response:
    chosen = {name: request.args.get(name, "").strip() for name in _FILTERS}
    query = chosen | {"limit": _PAGE_SIZE, "cursor": request.args.get("cursor", "")}
    page, problems = _NO_PAGE, dict[str, str]()
    try:
        page = session.call("GET", "invoices/imports", query=query)
    except ApiError as error:
        if not error.is_correctable:
            raise
        problems = error.problems
    shown = render_template("files/list.html", page=page, chosen=chosen, problems=problems)
    return make_response(shown, 422 if problems else 200)
