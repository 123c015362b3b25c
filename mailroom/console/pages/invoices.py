"""Invoices: the list with its filters, the totals of a selection, and its export."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request

from mailroom.console import session
from mailroom.console.api import ApiError
from mailroom.console.areas import Area, is_partial
from mailroom.console.downloads import download
from mailroom.console.texts import gettext, later

PAGES = Blueprint("invoices", __name__, url_prefix="/invoices")
READ, WRITE = "invoices:read", "invoices:write"
AREA = Area(later("Invoices"), "invoices.found", PAGES, (READ,))

_PAGE_SIZE = 50

FILTERS = ("invoiceNumber", "supplier", "status", "currency", "dateFrom", "dateTo", "importId", "updatedSince")
SORTS = {
    "-invoiceDate": later("newest invoice date first"),
    "invoiceDate": later("oldest invoice date first"),
    "-updatedAt": later("last changed first"),
    "updatedAt": later("first changed first"),
}
FORMATS = {"csv": "CSV", "json": "JSON", "ndjson": "NDJSON"}
COLUMNS = {"import": later("those of an import"), "all": later("all that an invoice has")}
GROUPS = {
    "currency": later("currency"),
    "month": later("month"),
    "supplier": later("supplier"),
    "status": later("status"),
}


@PAGES.get("")
def found() -> Response:
    """The invoices that meet the filters. A filter that the API refuses is shown with the reason."""
    chosen, problems, page = _chosen(), {}, None
    query = _filters(chosen) | {
        "sort": chosen["sort"],
        "limit": _PAGE_SIZE,
        "cursor": request.args.get("cursor", ""),
    }
    try:
        page = session.call("GET", "invoices/", query=query)
    except ApiError as error:
        problems = _problems(error)
    text = render_template("invoices/list.html", page=page, problems=problems, **_of_selection(chosen))
    return Response(text, 422 if problems else 200)


@PAGES.get("/totals")
def totals() -> str:
    """The sums of a selection: above the list, by currency, or as a page of its own, by what the reader chooses."""
    chosen = _chosen()
    by = request.args.get("by", "")
    by = by if by in GROUPS else "currency"
    query = _filters(chosen) | {"by": by, "cursor": request.args.get("cursor", "")}
    template = "invoices/totals_part.html" if is_partial() else "invoices/totals.html"
    try:
        page = session.call("GET", "invoices/totals", query=query)
    except ApiError as error:
        if not error.is_correctable:
            raise
        return render_template(template, problem=error.detail, page=None, by=by, **_of_selection(chosen))
    return render_template(template, problem="", page=page, by=by, **_of_selection(chosen))


@PAGES.get("/export")
def export() -> Response:
    """The file of the API. If it refuses the filters, the list says why."""
    chosen = _chosen()
    query: dict[str, object] = _filters(chosen) | {
        "sort": chosen["sort"],
        "cursor": request.args.get("cursor", "").strip(),
        "format": request.args.get("format", "csv"),
    }
    if query["format"] == "csv":
        query["columns"] = request.args.get("columns", "import")
    try:
        return download("invoices/export", query)
    except ApiError as error:
        if not error.is_correctable:
            raise
        text = render_template("invoices/list.html", page=None, problems=_problems(error), **_of_selection(chosen))
        return Response(text, 422)


def _chosen() -> dict[str, str]:
    return {name: request.args.get(name, "").strip() for name in (*FILTERS, "sort")}


def _filters(chosen: dict[str, str]) -> dict[str, object]:
    """The filters as the API takes them. A day stands for its beginning, in UTC."""
    since = chosen["updatedSince"]
    return {
        **{name: chosen[name] for name in FILTERS},
        "currency": chosen["currency"].upper(),
        "updatedSince": f"{since}T00:00:00Z" if since and "T" not in since else since,
    }


def _of_selection(chosen: dict[str, str]) -> dict[str, Any]:
    given = {name: value for name, value in chosen.items() if value}
    return {
        "chosen": chosen,
        "given": given,
        "is_filtered": any(name != "sort" for name in given),
        "has_further": any(name in given for name in FILTERS if name not in ("invoiceNumber", "supplier", "importId")),
        "by_change": "updatedAt" in chosen["sort"] or bool(chosen["importId"] or chosen["updatedSince"]),
        "sorts": {name: gettext(text) for name, text in SORTS.items()},
        "formats": FORMATS,
        "columns": {name: gettext(text) for name, text in COLUMNS.items()},
        "groups": {name: gettext(text) for name, text in GROUPS.items()},
    }


def _problems(error: ApiError) -> dict[str, str]:
    """What is wrong with the filters, by field. Raises the error again if no filter is at fault."""
    if not error.is_correctable:
        raise error
    return {(name if name in FILTERS else ""): text for name, text in error.fields.items()} or {"": error.detail}
