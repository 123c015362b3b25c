"""An import: what became of a file, its progress while it runs, and the rejected rows."""

from __future__ import annotations

from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for

from mailroom.console import session
from mailroom.console.areas import is_partial
from mailroom.console.downloads import download
from mailroom.console.pages.files import PAGES

RUNS = ("pending", "running")
ALL_REJECTED = "rejects.all"
_SEE_OTHER = 303
ROWS_OF_GRID = 25


@PAGES.get("/files/imports/<id>")
def show(id: str) -> str:
    found = import_of(id)
    rejects = rejected_rows(id, request.args.get("cursor", "")) if can_correct(found) else None
    return import_page(found, rejects)


@PAGES.get("/files/imports/<id>/progress")
def progress(id: str) -> Response:
    """A part of the page while the import runs. At its end, the whole page is shown anew."""
    found = import_of(id)
    if not is_partial():
        return make_response(redirect(url_for("files.show", id=id), _SEE_OTHER))
    response = make_response(render_template("files/progress.html", found=found, runs=RUNS))
    if found["state"] not in RUNS:
        response.headers["HX-Refresh"] = "true"
    return response


@PAGES.get("/files/find")
def find() -> Response:
    """The import of a file that was just uploaded; until there is one, what it waits for."""
    named = {"bucket": request.args.get("bucket", ""), "key": request.args.get("key", "")}
    page = session.call("GET", "invoices/imports", query=named | {"limit": 1})
    if page["items"]:
        target = url_for("files.show", id=page["items"][0]["id"])
        if is_partial():
            return Response(headers={"HX-Redirect": target})
        return make_response(redirect(target, _SEE_OTHER))
    template = "files/find_part.html" if is_partial() else "files/find.html"
    return make_response(render_template(template, named=named, waiting_for=page.get("waitingFor")))


@PAGES.get("/files/imports/<id>/versions")
def versions(id: str) -> str:
    found = session.call("GET", f"invoices/imports/{id}/versions")
    return render_template("files/versions.html", found=found, id=id)


@PAGES.get("/files/imports/<id>/rejects.csv")
def rejects_file(id: str) -> Response:
    return download(f"invoices/imports/{id}/rejects.csv")


def import_of(id: str) -> Any:
    return session.call("GET", f"invoices/imports/{id}")


def rejected_rows(id: str, cursor: str) -> Any:
    return session.call("GET", f"invoices/imports/{id}/rejects", query={"limit": ROWS_OF_GRID, "cursor": cursor})


def can_correct(found: Any) -> bool:
    """Whether its rejected rows can be corrected: it has read its whole file, and was no dry run."""
    ended = found["state"] == "done" or (found["state"] == "failed" and found["error"]["code"] == ALL_REJECTED)
    return bool(ended and found["counts"]["rejected"] and not found["dryRun"])


def import_page(found: Any, rejects: Any, entered: dict[str, str] | None = None, problem: str = "") -> str:
    """The whole page. `entered` are the values of a grid that was sent, `problem` is what is wrong with them."""
    return render_template(
        "files/import.html",
        found=found,
        rejects=rejects,
        entered=entered or {},
        problem=problem,
        runs=RUNS,
        may_write=session.current().may("invoices:write"),
    )
