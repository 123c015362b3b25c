"""Rejected rows that were corrected in the grid: they are sent as one new file beside the first.

The form carries its idempotency key: sent twice, also after a function was killed in between, it makes one file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, make_response, redirect, request, url_for

from mailroom.console import forms, notices, session
from mailroom.console.api import ApiError
from mailroom.console.pages.files import PAGES
from mailroom.console.pages.files_import import import_of, import_page, rejected_rows
from mailroom.console.texts import gettext as _
from mailroom.console.texts import ngettext

_SEE_OTHER = 303


@PAGES.post("/files/imports/<id>/corrections")
def correct(id: str) -> Response:
    try:
        rejects = rejected_rows(id, request.form.get("cursor", ""))
        rows = _corrected(rejects, request.form)
        if not rows:
            return _again(id, rejects, _("No row was changed. Correct a value, or leave a row out, and send again."))
        written = session.call(
            "POST",
            f"invoices/imports/{id}/corrections",
            json={"rows": rows},
            idempotency_key=forms.idempotency_key(),
        )
    except ApiError as error:
        if error.is_correctable:
            return _again(id, rejected_rows(id, request.form.get("cursor", "")), error.detail)
        raise
    notices.add(
        ngettext(
            "One row was sent as the file %(key)s. This is its import.",
            "%(num)s rows were sent as the file %(key)s. This is its import.",
            written["rows"],
            key=written["key"],
        )
    )
    return make_response(redirect(url_for("files.show", id=written["importId"]), _SEE_OTHER))


def _again(id: str, rejects: Any, problem: str) -> Response:
    """The page with what was entered, and what is wrong with it."""
    return make_response(import_page(import_of(id), rejects, request.form.to_dict(), problem), 422)


def _corrected(rejects: Any, form: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows of the grid that a person changed, with the cells that differ, and those that are left out."""
    found: list[dict[str, Any]] = []
    for row in rejects["items"]:
        number = row["row"]
        if form.get(f"drop-{number}"):
            found.append({"row": number, "drop": True})
            continue
        known = row["cells"] or {}
        given = {
            column["key"]: _text(form[name])
            for at, column in enumerate(rejects["columns"])
            if (name := f"cell-{number}-{at}") in form
        }
        changed = {key: text for key, text in given.items() if text != _text(known.get(key, ""))}
        if changed:
            found.append({"row": number, "values": changed if row["cells"] is not None else given})
    return found


def _text(value: str) -> str:
    """A browser sends the ends of lines as CR LF, whatever they were."""
    return value.replace("\r\n", "\n").replace("\r", "\n")
