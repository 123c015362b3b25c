"""Serves what an API promises: `/openapi.json` for programs, `/docs` for people. Neither needs a key.

They hold nothing that the source does not, and a browser cannot send a key with a page.
"""

from __future__ import annotations

from flask import Blueprint, Response, current_app, render_template

from mailroom.web import representation
from mailroom.web.endpoints import Contract, routes

PUBLIC = ("documentation.openapi", "documentation.page")

# The page may load nothing but the style within it.
_PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


def blueprint(contract: Contract) -> Blueprint:
    """Both views, for the routes of the application that they are registered with."""
    pages = Blueprint("documentation", __name__, template_folder="templates")

    def openapi() -> Response:
        from mailroom.web.openapi import document  # no call of the API itself needs it

        return representation.json_response(document(contract, list(routes(current_app))))

    def page() -> Response:
        from mailroom.web.openapi import document

        html = render_template("docs.html", **document(contract, list(routes(current_app))))
        return Response(html, headers=_PAGE_HEADERS)

    # With strict slashes, so that nothing near these paths is open too.
    pages.add_url_rule("/openapi.json", view_func=openapi, strict_slashes=True, provide_automatic_options=False)
    pages.add_url_rule("/docs", view_func=page, strict_slashes=True, provide_automatic_options=False)
    return pages
