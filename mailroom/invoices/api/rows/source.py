"""The views of where an invoice came from: the row of its file, and the versions of the file."""

from __future__ import annotations

from bson import ObjectId
from flask import Blueprint, Response

from mailroom.errors import NotFound
from mailroom.invoices.api import schemas
from mailroom.invoices.api.context import context
from mailroom.invoices.api.imports import import_of
from mailroom.invoices.api.invoices import READ
from mailroom.invoices.api.rows import operations
from mailroom.invoices.api.rows.rejects import cells, row_columns
from mailroom.invoices.api.rows.schemas import FileVersion, FileVersions, InvoiceSource
from mailroom.invoices.files import Rejected
from mailroom.invoices.rejected.cells import columns_of, rows_of
from mailroom.platform.clock import Budget, from_milliseconds, rfc3339
from mailroom.web.endpoints import endpoint
from mailroom.web.representation import json_response

blueprint = Blueprint("source", __name__)


@blueprint.get("/<id:id>/source")
@endpoint(operations.GET_SOURCE, READ)
def get_source(id: ObjectId) -> Response:
    of = context()
    invoice = of.queries.invoice(id)
    if invoice is None:
        raise NotFound("invoice.not_found", "there is no invoice with this id")
    source = invoice["source"]
    with of.concurrency.slot():
        found = of.sources.read(source, Budget(of.export_seconds))
    columns = columns_of(found.dialect)
    first = rows_of(Rejected(source["row"], source["offset"], found.text, ()), found.dialect)[0]
    return json_response(
        InvoiceSource(
            import_id=str(source["importId"]),
            bucket=found.version.bucket,
            key=found.version.key,
            version_id=found.version.version_id,
            row=source["row"],
            text=found.text,
            columns=row_columns(columns),
            cells=cells(first, columns),
        )
    )


@blueprint.get("/imports/<id:id>/versions")
@endpoint(operations.LIST_VERSIONS, READ)
def list_versions(id: ObjectId) -> Response:
    job = import_of(id)
    items = [
        FileVersion(
            version_id=each.version.version_id,
            modified_at=rfc3339(from_milliseconds(each.version.modified_ms)),
            size=each.version.size,
            present=each.present,
            imports=[schemas.import_(document) for document in each.imports],
        )
        for each in context().sources.versions(job["bucket"], job["key"])
    ]
    return json_response(FileVersions(bucket=job["bucket"], key=job["key"], items=items))
