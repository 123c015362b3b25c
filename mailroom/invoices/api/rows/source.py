"""The views of where an invoice came from: the row of its file, and the versions of the file."""

from __future__ import annotations

from bson import ObjectId
from flask import Blueprint, Response

from mailroom.invoices.api.invoices import READ
from mailroom.invoices.api.rows import operations
from mailroom.web.endpoints import endpoint
from mailroom.web.problems import Problem

blueprint = Blueprint("source", __name__)


@blueprint.get("/<id:id>/source")
@endpoint(operations.GET_SOURCE, READ)
def get_source(id: ObjectId) -> Response:
    raise Problem(501, "not.there", "not there yet")


@blueprint.get("/imports/<id:id>/versions")
@endpoint(operations.LIST_VERSIONS, READ)
def list_versions(id: ObjectId) -> Response:
    raise Problem(501, "not.there", "not there yet")
