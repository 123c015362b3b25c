"""A file before it is imported: what is detected, its first rows, its columns, and the counts of a dry run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from flask import Response, make_response, redirect, render_template, request, url_for

from mailroom.console import forms, notices, session
from mailroom.console.api import NOT_FOUND, ApiError
from mailroom.console.pages.files import PAGES
from mailroom.console.texts import gettext as _

_SEE_OTHER = 303
_CERTAIN = 1
_DROP = "-"  # in the form: the column is not kept
_LONGEST_NAME = 64
_PRESET_VALUES = ("prefix", "columns")


@PAGES.get("/files/check")
def check() -> Response:
    file = _file(request.args)
    return _page(file, _preview(file, None))


@PAGES.post("/files/check")
def act_on_check() -> Response:
    """What a button of the page asks for: to show the file anew, to keep the mapping, to try or to import it."""
    file, action = _file(request.form), request.form.get("do", "")
    columns = _mapped(request.form)
    try:
        if action == "show":
            preset = _with_columns(_current(file), columns)
            return _page(file, _preview(file, preset), columns)
        if columns:
            _keep(file, columns)
        if action == "keep":
            notices.add(_("The mapping is kept for %(folder)s.", folder=_folder_name(file["key"])))
            return make_response(
                redirect(
                    url_for("files.check", bucket=file["bucket"], key=file["key"], versionId=file["versionId"] or None),
                    _SEE_OTHER,
                )
            )
        asked = _named(file) | {"dryRun": action == "try"}
        started = session.call("POST", "invoices/imports", json=asked, idempotency_key=_call_key(action, columns))
        if action != "try":
            _retry_if_ended(started["id"])
    except ApiError as error:
        if not error.is_correctable:
            raise
        return _page(file, _preview(file, None), columns, problem=error)
    return make_response(redirect(url_for("files.show", id=started["id"]), _SEE_OTHER))


def _call_key(action: str, columns: Mapping[str, str | None]) -> str:
    """The idempotency key of this form with these columns. With others, it is another call: they are kept before it."""
    chosen = hashlib.sha256(msgspec.json.encode([action, columns], order="sorted")).hexdigest()
    return f"{forms.idempotency_key()}-{chosen[:32]}"


def _retry_if_ended(id: str) -> None:
    """An import that failed before is begun anew: asking for it a second time does nothing."""
    if session.call("GET", f"invoices/imports/{id}")["state"] in ("failed", "cancelled"):
        session.call("POST", f"invoices/imports/{id}/retry")


def _page(
    file: dict[str, str], preview: Any, columns: Mapping[str, str | None] | None = None, problem: ApiError | None = None
) -> Response:
    chosen = [_chosen(each, columns or {}) for each in preview["mapping"]]
    needs_preset = any(each["target"] and each["confidence"] < _CERTAIN for each in preview["mapping"]) or bool(columns)
    page = render_template(
        "files/check.html",
        file=file,
        preview=preview,
        chosen=chosen,
        changed=columns or {},
        problem=problem,
        needs_preset=needs_preset,
        folder=_folder_name(file["key"]),
        drop=_DROP,
    )
    return make_response(page, problem.status if problem else 200)


def _chosen(column: Mapping[str, Any], columns: Mapping[str, str | None]) -> str:
    """What the form shows for a column: what a person chose, else what is known or suggested."""
    if column["name"] in columns:
        return columns[column["name"]] or _DROP
    if column["target"] is None and column["reason"] == "preset":
        return _DROP
    return column["target"] or ""


def _mapped(form: Mapping[str, str]) -> dict[str, str | None]:
    """The columns that the form maps in another way than a file is read already."""
    found: dict[str, str | None] = {}
    count = int(form.get("columns", "0")) if form.get("columns", "0").isdecimal() else 0
    for at in range(min(count, 1000)):
        name, given, known = form.get(f"name-{at}", ""), form.get(f"target-{at}", ""), form.get(f"known-{at}", "")
        if name.strip() and given != known and given:
            found[name] = None if given == _DROP else given
    return found


def _preview(file: dict[str, str], preset: Any) -> Any:
    asked = _named(file) | ({"preset": preset} if preset else {})
    return session.call("POST", "invoices/preview", json=asked)


def _current(file: dict[str, str]) -> dict[str, Any]:
    """What the file is read with now: the options of a preset, or nothing."""
    used = _preview(file, None)["preset"]
    return _stored(used["name"]) or {} if used else {}


def _with_columns(preset: Mapping[str, Any], columns: Mapping[str, str | None]) -> dict[str, Any]:
    options = {name: value for name, value in preset.items() if name not in _PRESET_VALUES}
    return options | {"columns": {**preset.get("columns", {}), **columns}}


def _keep(file: dict[str, str], columns: Mapping[str, str | None]) -> None:
    """Keeps the mapping as a preset of the file's folder, beside what the folder's files are read with already."""
    folder = _folder(file["key"])
    used = _preview(file, None)["preset"]
    current = (_stored(used["name"]) or {}) if used else {}
    name = used["name"] if used and current.get("prefix") == folder else _free_name(folder)
    session.call("PUT", f"invoices/presets/{name}", json=_with_columns(current, columns) | {"prefix": folder})


def _free_name(folder: str) -> str:
    """A name for the preset of a folder, which no preset of another folder has."""
    name = re.sub(r"[^a-z0-9._-]+", "-", folder.lower()).strip("-._")[:_LONGEST_NAME] or "all-files"
    stored = _stored(name)
    if stored is None or stored.get("prefix") == folder:
        return name
    return f"{name[: _LONGEST_NAME - 9]}-{hashlib.sha256(folder.encode()).hexdigest()[:8]}"


def _stored(name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = session.call("GET", f"invoices/presets/{name}")["preset"]
    except ApiError as error:
        if error.status == NOT_FOUND:
            return None
        raise
    return found


def _file(given: Mapping[str, str]) -> dict[str, str]:
    return {name: given.get(name, "") for name in ("bucket", "key", "versionId")}


def _named(file: dict[str, str]) -> dict[str, Any]:
    return {name: value for name, value in file.items() if value}


def _folder(key: str) -> str:
    folder, slash, _name = key.rpartition("/")
    return folder + slash


def _folder_name(key: str) -> str:
    return _folder(key) or _("all files")
