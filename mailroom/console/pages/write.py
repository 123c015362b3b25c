"""Mail: write a message and send it."""

from __future__ import annotations

from flask import Blueprint, render_template

PAGES = Blueprint("write", __name__)
SCOPES = ("notifications:send", "notifications:test")


@PAGES.get("/mail/write")
def show() -> str:
    return render_template("write/form.html")
