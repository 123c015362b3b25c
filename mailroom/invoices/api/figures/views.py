"""The views of the figures."""

from __future__ import annotations

from flask import Blueprint, Response

from mailroom.errors import Invalid
from mailroom.invoices.api import schemas
from mailroom.invoices.api.context import context
from mailroom.invoices.api.figures import operations
from mailroom.invoices.api.figures.schemas import ImportFigures, InvoiceFigures, MonthFigures, WaitingFigures
from mailroom.invoices.api.invoices import READ
from mailroom.invoices.model.decimals import plain_text
from mailroom.invoices.views.figures import DAYS
from mailroom.platform.clock import rfc3339
from mailroom.web.endpoints import endpoint, query
from mailroom.web.representation import json_response

blueprint = Blueprint("figures", __name__, url_prefix="/figures")


@blueprint.get("/imports")
@endpoint(operations.IMPORT_FIGURES, READ)
def of_imports() -> Response:
    days = {str(each): each for each in DAYS}.get(query().get("days", "1"))
    if days is None:
        raise Invalid("days", "days.invalid", f"days must be {' or '.join(map(str, DAYS))}")
    found = context().figures.imports(days)
    return json_response(
        ImportFigures(
            days=found.days,
            files=found.files,
            states=found.states,
            rows=schemas.RowCounts.of(found.counts),
            rejected=found.counts["rejected"],
            computed_at=rfc3339(found.computed_at),
        )
    )


@blueprint.get("/invoices")
@endpoint(operations.INVOICE_FIGURES, READ)
def of_invoices() -> Response:
    found = context().figures.months()
    items = [
        MonthFigures(**group["_id"], count=group["count"], total=plain_text(group["grossAmount"]))
        for group in found.items
    ]
    return json_response(InvoiceFigures(items=items, computed_at=rfc3339(found.computed_at)))


@blueprint.get("/waiting")
@endpoint(operations.WAITING_FIGURES, READ)
def of_waiting() -> Response:
    found = context().figures.waiting()
    oldest = schemas.import_details(found.oldest, found.waits_for) if found.oldest else None
    return json_response(WaitingFigures(waiting=found.waiting, oldest=oldest, computed_at=rfc3339(found.computed_at)))
