"""The views of rejected rows: to read, to download, and to correct."""

from __future__ import annotations

from bson import ObjectId
from flask import Blueprint, Response

from mailroom.invoices.api.invoices import READ, WRITE
from mailroom.invoices.api.rows import operations
from mailroom.web.endpoints import endpoint
from mailroom.web.problems import Problem

blueprint = Blueprint("rejects", __name__, url_prefix="/imports")


@blueprint.get("/<id:id>/rejects")
@endpoint(operations.LIST_REJECTS, READ)
def list_rejects(id: ObjectId) -> Response:
    raise Problem(501, "not.there", "not there yet")


@blueprint.get("/<id:id>/rejects.csv")
@endpoint(operations.REJECTS_FILE, READ)
def rejects_file(id: ObjectId) -> Response:
    raise Problem(501, "not.there", "not there yet")


@blueprint.post("/<id:id>/corrections")
@endpoint(operations.CORRECT, WRITE)
def correct(id: ObjectId) -> Response:
    raise Problem(501, "not.there", "not there yet")
