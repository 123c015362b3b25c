"""The overview: figures that are loaded after the page, each by an API call of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from flask import Blueprint, abort, render_template

from mailroom.console import session
from mailroom.console.areas import Area, is_partial
from mailroom.console.texts import later

PAGES = Blueprint("overview", __name__)
AREA = Area(later("Overview"), "overview.show", PAGES)

_NEWEST = 5


class Figure(msgspec.Struct, frozen=True):
    """A card of the overview: the API's answer to one call, shown by `templates/overview/NAME.html`."""

    name: str
    title: str
    path: str
    query: dict[str, object]
    scope: str
    width: str = ""  # a class of console.css: `half` or `wide`


FIGURES = {
    each.name: each
    for each in (
        Figure("today", later("Files today"), "invoices/figures/imports", {"days": 1}, "invoices:read"),
        Figure("month", later("Files of 30 days"), "invoices/figures/imports", {"days": 30}, "invoices:read"),
        Figure("waiting", later("Oldest file that waits"), "invoices/figures/waiting", {}, "invoices:read"),
        Figure("mail", later("Mail by status"), "notifications/figures/messages", {}, "notifications:read"),
        Figure("invoices", later("Invoices by month"), "invoices/figures/invoices", {}, "invoices:read", "wide"),
        Figure(
            "failures",
            later("Newest files that failed"),
            "invoices/imports",
            {"state": "failed", "limit": _NEWEST},
            "invoices:read",
            "half",
        ),
        Figure(
            "mail_failures",
            later("Newest mail that failed"),
            "notifications",
            {"status": "failed", "limit": _NEWEST},
            "notifications:read",
            "half",
        ),
    )
}


@PAGES.get("/")
def show() -> str:
    who = session.current()
    return render_template("overview/show.html", figures=[each for each in FIGURES.values() if who.may(each.scope)])


@PAGES.get("/figures/<name>")
def figure(name: str) -> str:
    """One figure: as a part of the overview, or as a page for those without scripts."""
    found = FIGURES.get(name) or abort(404)
    answer: Any = session.call("GET", found.path, query=found.query)
    template = f"overview/figures/{name}.html" if is_partial() else "overview/figure.html"
    return render_template(template, figure=found, answer=answer, since=_since(found))


def _since(figure: Figure) -> str:
    """The time that a figure of the last days begins at; empty for others."""
    days = figure.query.get("days")
    if not isinstance(days, int):
        return ""
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
