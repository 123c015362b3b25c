"""Health: what is well and what is not, as the API sees it in MongoDB and in the bucket."""

from __future__ import annotations

from flask import Blueprint, render_template

from mailroom.console import session
from mailroom.console.areas import Area
from mailroom.console.texts import later

PAGES = Blueprint("health", __name__)
AREA = Area(later("Health"), "health.show", PAGES, ("operations:read",))


@PAGES.get("/health")
def show() -> str:
    return render_template("health/show.html", health=session.call("GET", "invoices/health"))
