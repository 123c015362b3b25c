"""The views of invoices: lists, totals, exports, one invoice, and the change of its status."""

from __future__ import annotations

from contextlib import ExitStack

from bson import ObjectId
from flask import Blueprint, Response, request

from mailroom.errors import Invalid, NotFound
from mailroom.invoices.api import operations, schemas
from mailroom.invoices.api.context import context
from mailroom.invoices.api.export_formats import FORMATS, chunks, to_csv_with_all
from mailroom.invoices.api.parameters import dimensions, invoice_filter, last_group, totals_cursor
from mailroom.invoices.model.texts import BadValue
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document
from mailroom.web.endpoints import caller, endpoint, json_body, query
from mailroom.web.paging import cursor_of, key_of, limit_of
from mailroom.web.problems import Problem
from mailroom.web.representation import entity_tag, json_response, precondition_holds

READ, WRITE = "invoices:read", "invoices:write"

blueprint = Blueprint("invoices", __name__)


@blueprint.get("/")
@endpoint(operations.LIST_INVOICES, READ)
def list_invoices() -> Response:
    given = query()
    wanted = invoice_filter(given)
    page = context().queries.list_invoices(wanted, limit_of(given), key_of(given, wanted.order))
    items = [schemas.invoice(item) for item in page.items]
    return json_response(schemas.InvoicePage(items=items, next_cursor=cursor_of(wanted.order, page.last)))


@blueprint.get("/totals")
@endpoint(operations.TOTALS, READ)
def totals() -> Response:
    of, given = context(), query()
    wanted, by = invoice_filter(given), dimensions(given)
    limit, after = limit_of(given), last_group(given, by)
    with of.concurrency.slot():
        found = of.queries.totals(wanted, by, limit, after, of.export_seconds)
    items = [schemas.total(group) for group in found.items]
    return json_response(schemas.TotalPage(items=items, next_cursor=totals_cursor(by, found.last)))


@blueprint.get("/export")
@endpoint(operations.EXPORT, READ)
def export() -> Response:
    of, given = context(), query()
    name = given.get("format", "csv")
    if name not in FORMATS:
        raise Invalid("format", "format.invalid", f"format must be one of {', '.join(FORMATS)}")
    content_type, write = FORMATS[name]
    if given.get("columns", "import") not in ("import", "all"):
        raise Invalid("columns", "columns.invalid", "columns must be import or all")
    if name == "csv" and given.get("columns") == "all":
        write = to_csv_with_all
    wanted = invoice_filter(given)
    after = key_of(given, wanted.order)
    headers = {"Content-Disposition": f'attachment; filename="invoices.{name}"'}
    with ExitStack() as until_sent:
        until_sent.enter_context(of.concurrency.slot())
        found = of.queries.export(wanted, Budget(of.export_seconds), after)
        file = chunks(write(found, first=after is None))
        response = Response(file, headers=headers, content_type=content_type)
        response.call_on_close(until_sent.pop_all().close)
    return response


@blueprint.get("/<id:id>")
@endpoint(operations.GET_INVOICE, READ)
def get_invoice(id: ObjectId) -> Response:
    document = context().queries.invoice(id)
    if document is None:
        raise NotFound("invoice.not_found", "there is no invoice with this id")
    return json_response(schemas.invoice(document))


@blueprint.get("/statuses")
@endpoint(operations.LIST_STATUSES, READ)
def list_statuses() -> Response:
    return json_response(schemas.StatusList(allowed=sorted(context().statuses().allowed)))


@blueprint.patch("/<id:id>")
@endpoint(operations.CHANGE_INVOICE, WRITE)
def change_invoice(id: ObjectId) -> Response:
    status = context().statuses().read(json_body(operations.ChangeInvoice).status, required=True)
    if isinstance(status, BadValue):
        code = status.code if status.code == "status.unknown" else "status.invalid"
        raise Invalid("status", code, status.message)
    if_match = request.headers.get("If-Match")
    if if_match is None:
        detail = "send the invoice's ETag as If-Match, so that no other change is overwritten"
        raise Problem(428, "if_match.missing", detail, field="If-Match")

    def seen(stored: Document) -> bool:
        return precondition_holds(if_match, entity_tag(schemas.invoice(stored)))

    changed = schemas.invoice(context().edits.set_status(id, status, ObjectId(caller().id), seen))
    return json_response(changed, headers={"ETag": entity_tag(changed)})
