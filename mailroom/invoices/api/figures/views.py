"""The views of the figures."""

from __future__ import annotations

from flask import Blueprint, Response

from mailroom.invoices.api.figures import operations
from mailroom.invoices.api.invoices import READ
from mailroom.web.endpoints import endpoint
from mailroom.web.problems import Problem

blueprint = Blueprint("figures", __name__, url_prefix="/figures")


@blueprint.get("/imports")
@endpoint(operations.IMPORT_FIGURES, READ)
def of_imports() -> Response:
    raise Problem(501, "not.there", "not there yet")


@blueprint.get("/invoices")
@endpoint(operations.INVOICE_FIGURES, READ)
def of_invoices() -> Response:
    raise Problem(501, "not.there", "not there yet")


@blueprint.get("/waiting")
@endpoint(operations.WAITING_FIGURES, READ)
def of_waiting() -> Response:
    raise Problem(501, "not.there", "not there yet")
