"""Whoever follows a link of a mail or of another site comes without the cookies of the console.

They are `SameSite=Strict`. A page that leads to itself has the browser ask again, from the console and with cookies:

    other site --link, no cookie--> page that leads on --the same URL, cookie--> the page that was wanted
"""

from __future__ import annotations

from flask import Flask, render_template, request

from mailroom.console import session
from mailroom.console.areas import this_url
from mailroom.console.texts import gettext as _


def lead_on(app: Flask) -> None:
    """Answers the first request of such a person. Browsers say that a request is one."""

    @app.before_request
    def check() -> str | None:
        if request.method != "GET" or session.token() or not _comes_from_elsewhere():
            return None
        return render_template("lead_on.html", title=_("One moment"), target=this_url())


def _comes_from_elsewhere() -> bool:
    said = request.headers
    return said.get("Sec-Fetch-Site") == "cross-site" and said.get("Sec-Fetch-Dest") == "document"
