"""One invoice: what it says, where it came from, what changed it last, and its status to set."""

from __future__ import annotations

from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for

from mailroom.console import notices, session
from mailroom.console.api import NOT_FOUND, ApiError
from mailroom.console.areas import is_partial
from mailroom.console.pages.invoices import PAGES, WRITE
from mailroom.console.texts import gettext as _

_SEE_OTHER, _OUTDATED = 303, 412


@PAGES.get("/<string(length=24):id>")
def show(id: str) -> Response:
    return _page(id)


@PAGES.get("/<string(length=24):id>/source")
def source(id: str) -> str:
    """The row of the file: as a part of the invoice's page, or as a page for those without scripts."""
    template = "invoices/source_part.html" if is_partial() else "invoices/source.html"
    try:
        found = session.call("GET", f"invoices/{id}/source")
    except ApiError as error:
        if error.code != "source.gone":
            raise
        found = None
    return render_template(template, id=id, source=found)


@PAGES.post("/<string(length=24):id>/status")
def set_status(id: str) -> Response:
    """Sets the status of the invoice as it was shown. If it has changed since, it is shown anew, and nothing is set."""
    wanted = request.form.get("status", "").strip()
    if not wanted:
        return _page(id, wanted, _("Enter a status."))
    seen = {"If-Match": request.form.get("etag", "")}
    try:
        session.call("PATCH", f"invoices/{id}", json={"status": wanted}, headers=seen)
    except ApiError as error:
        if not error.is_correctable or error.status == NOT_FOUND:
            raise
        if error.status != _OUTDATED:
            return _page(id, wanted, error.detail)
        if _read(id)[0]["status"] != wanted:
            text = _("The invoice has changed since you opened this page. It is shown as it is now: choose again.")
            return _page(id, wanted, text)
    notices.add(_("The status is now “%(status)s”.", status=wanted))
    return redirect(url_for("invoices.show", id=id), _SEE_OTHER)  # type: ignore[return-value]


def _page(id: str, wanted: str = "", problem: str = "") -> Response:
    invoice, etag = _read(id)
    may_write = session.current().may(WRITE)
    page = render_template(
        "invoices/show.html",
        invoice=invoice,
        etag=etag,
        source_import=_import(invoice["source"]["importId"]),
        last_import=_last_import(invoice),
        may_write=may_write,
        statuses=_statuses(invoice["status"]) if may_write else {},
        wanted=wanted,
        problem=problem,
    )
    return make_response(page, 422 if problem else 200)


def _read(id: str) -> tuple[Any, str]:
    """The invoice, and the tag that it has now."""
    answer = session.api().answer("GET", f"invoices/{id}", token=session.token())
    return answer.json(), answer.headers.get("ETag", "")


def _statuses(current: str) -> dict[str, str]:
    """The statuses to choose from; none if any is allowed. The invoice's own is always there."""
    allowed = session.call("GET", "invoices/statuses")["allowed"]
    return {each: each for each in ([current] if current and allowed else []) + allowed}


def _last_import(invoice: Any) -> Any:
    """The import that changed the invoice last, if that is another one than the row comes from."""
    by_hand = invoice["edited"] and invoice["edited"]["keyId"] == invoice["changedBy"]
    if by_hand or invoice["changedBy"] == invoice["source"]["importId"]:
        return None
    return _import(invoice["changedBy"])


def _import(id: str) -> Any:
    """The import, or None if there is none any more."""
    try:
        return session.call("GET", f"invoices/imports/{id}")
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return None
