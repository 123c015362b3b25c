"""What people do to an import: cancel, retry, undo, and import once more. Each says beforehand what it will do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, abort, make_response, redirect, render_template, request, url_for

from mailroom.console import filters, forms, notices, session
from mailroom.console.api import ApiError
from mailroom.console.pages.files import PAGES
from mailroom.console.pages.files_import import RUNS, import_of
from mailroom.console.texts import gettext, later, ngettext
from mailroom.console.texts import gettext as _

_SEE_OTHER, _CONFLICT = 303, 409
_DONE = {
    "cancel": later("The import was cancelled."),
    "retry": later("The import goes on."),
    "undo": later("The import was undone."),
}
# The states that show, when an action is refused, that it was done before.
_ALREADY = {
    "cancel": {"cancelled": later("The import was cancelled already.")},
    "retry": {
        "pending": later("The import goes on already."),
        "running": later("The import goes on already."),
        "done": later("The import is done already."),
    },
    "undo": {"undone": later("The import is being undone already.")},
}


@PAGES.get("/files/imports/<id>/<any(cancel, retry, undo):action>")
def confirm(id: str, action: str) -> str:
    found = import_of(id)
    title, button, effects_of = _FORECASTS[action]
    return _confirm(
        found, gettext(title), gettext(button), effects_of(found), url_for("files.act", id=id, action=action)
    )


@PAGES.post("/files/imports/<id>/<any(cancel, retry, undo):action>")
def act(id: str, action: str) -> Response:
    try:
        answer = session.call("POST", f"invoices/imports/{id}/{action}")
    except ApiError as error:
        if error.status != _CONFLICT:
            raise
        notices.add_refusal(error.detail, _ALREADY[action].get(import_of(id)["state"]))
    else:
        if action == "undo" and not answer["complete"]:
            deleted = answer["deleted"]
            notices.add(_("%(num)s invoices are deleted so far. Undo it again for the rest.", num=deleted), "problem")
        else:
            notices.add(gettext(_DONE[action]))
    return make_response(redirect(url_for("files.show", id=id), _SEE_OTHER))


@PAGES.get("/files/imports/<id>/force")
def confirm_force(id: str) -> Response:
    """Before a file is imported once more: a dry run counts what that would do."""
    found, trial_id = import_of(id), request.args.get("trial", "")
    trial = import_of(trial_id) if trial_id else None
    if trial is not None and not (trial["dryRun"] and trial["versionId"] == found["versionId"]):
        abort(404)
    if trial is None or trial["state"] in RUNS:
        return make_response(render_template("files/count_first.html", found=found, trial=trial, runs=RUNS))
    action = url_for("files.force", id=id)
    return make_response(
        _confirm(found, _("Import this version once more?"), _("Import once more"), _force(trial), action)
    )


@PAGES.post("/files/imports/<id>/count")
def count_first(id: str) -> Response:
    started = _start(import_of(id), {"force": True, "dryRun": True})
    return make_response(redirect(url_for("files.confirm_force", id=id, trial=started["id"]), _SEE_OTHER))


@PAGES.post("/files/imports/<id>/force")
def force(id: str) -> Response:
    started = _start(import_of(id), {"force": True})
    return make_response(redirect(url_for("files.show", id=started["id"]), _SEE_OTHER))


def _confirm(found: Any, title: str, button: str, effects: list[str], action: str) -> str:
    back = url_for("files.show", id=found["id"])
    return render_template("confirm.html", title=title, button=button, effects=effects, action=action, back=back)


def _cancel(found: Any) -> list[str]:
    read, whole = (filters.size(found["progress"][name]) for name in ("bytesRead", "bytesTotal"))
    kept = found["counts"]["inserted"] + found["counts"]["updated"]
    return [
        _(
            "%(read)s of %(whole)s are read; the rest is not imported.",
            read=read,
            whole=whole,
        ),
        ngettext("One invoice that was written stays.", "%(num)s invoices that were written stay.", kept),
    ]


def _retry(found: Any) -> list[str]:
    rows = found["counts"]["rows"]
    return [
        ngettext("It goes on after one row.", "It goes on after %(num)s rows.", rows)
        if rows
        else _("It begins with the first row."),
        _("What it has written stays, and nothing is written twice."),
    ]


def _undo(found: Any) -> list[str]:
    forecast = session.call("GET", f"invoices/imports/{found['id']}/undo")
    deletes, leaves = forecast["deletes"], forecast["leaves"]
    return [
        ngettext("One invoice is deleted.", "%(num)s invoices are deleted.", deletes),
        ngettext(
            "One invoice stays: it was there before, or was changed since.",
            "%(num)s invoices stay: they were there before, or were changed since.",
            leaves,
        ),
        _("The file itself stays in the bucket."),
    ]


def _force(trial: Any) -> list[str]:
    if trial["state"] != "done":
        reason = (trial["error"] or {}).get("message", "")
        return [_("It would fail: %(reason)s", reason=reason)]
    rows = trial["counts"]
    return [
        ngettext("One invoice is made new.", "%(num)s invoices are made new.", rows["inserted"]),
        ngettext(
            "One invoice is changed to what this file says, also if a newer file or a person changed it.",
            "%(num)s invoices are changed to what this file says, also if a newer file or a person changed them.",
            rows["updated"],
        ),
        ngettext("One invoice stays as it is.", "%(num)s invoices stay as they are.", rows["unchanged"]),
        ngettext("One row is rejected.", "%(num)s rows are rejected.", rows["rejected"]),
    ]


def _start(found: Any, options: dict[str, bool]) -> Any:
    version = {name: found[name] for name in ("bucket", "key", "versionId")}
    key = forms.idempotency_key()
    return session.call("POST", "invoices/imports", json=version | options, idempotency_key=key)


_Effects = Callable[[Any], list[str]]
_FORECASTS: dict[str, tuple[str, str, _Effects]] = {
    "cancel": (later("Cancel this import?"), later("Cancel the import"), _cancel),
    "retry": (later("Retry this import?"), later("Retry"), _retry),
    "undo": (later("Undo this import?"), later("Undo the import"), _undo),
}
