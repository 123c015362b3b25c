"""Serves what an API promises: `/openapi.json` for programs, `/docs` for people. Neither needs a key.

They hold nothing that the source does not, and a browser cannot send a key with a page.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, render_template

from mailroom.web import representation
from mailroom.web.endpoints import Contract, routes

PUBLIC = ("documentation.openapi", "documentation.page")

# The page may load nothing but the style within it.
_PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


def blueprint(contract: Contract) -> Blueprint:
    """Both views, for the routes of the application that they are registered with."""
    pages = Blueprint("documentation", __name__, template_folder="templates")
    # With strict slashes, so that nothing near these paths is open too.
    alone = {"strict_slashes": True, "provide_automatic_options": False}

    def described() -> dict[str, Any]:
        from mailroom.web.openapi import document  # no call of the API itself needs it

        return document(contract, list(routes(current_app)))

    @pages.get("/openapi.json", **alone)
    def openapi() -> Response:
        return representation.json_response(described())

    @pages.get("/docs", **alone)
    def page() -> Response:
        return Response(render_template("docs.html", **described()), headers=_PAGE_HEADERS)

    return pages
