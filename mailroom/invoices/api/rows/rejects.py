"""The views of rejected rows: to read, to download, and to correct."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated

from bson import ObjectId
from flask import Blueprint, Response
from msgspec import Meta

from mailroom.errors import Conflict, Invalid, NotFound
from mailroom.invoices.api.context import context
from mailroom.invoices.api.imports import check_bucket, import_of
from mailroom.invoices.api.invoices import READ, WRITE
from mailroom.invoices.api.rows import operations
from mailroom.invoices.api.rows.schemas import (
    CorrectionsFile,
    NewCorrections,
    RejectedRow,
    RejectedRowPage,
    RowColumn,
    RowFault,
)
from mailroom.invoices.files import Dialect, Rejected
from mailroom.invoices.imports.job import job_of
from mailroom.invoices.imports.ledger import DONE, FAILED
from mailroom.invoices.imports.rejects import ALL_REJECTED, CONTENT_TYPE
from mailroom.invoices.rejected.cells import CellColumn, CellRow, columns_of, rows_of
from mailroom.invoices.rejected.corrected_rows import Correction
from mailroom.invoices.rejected.rejected_rows import dialect_of
from mailroom.platform.clock import Budget
from mailroom.platform.kick import IMPORTER
from mailroom.platform.mongo import Document
from mailroom.platform.objects import ObjectGone
from mailroom.web.endpoints import endpoint, json_body, query
from mailroom.web.idempotency import idempotency_key
from mailroom.web.paging import cursor_values, limit_of, to_cursor
from mailroom.web.representation import json_response

_Offset = Annotated[int, Meta(ge=0, le=2**62)]  # MongoDB has integers of 8 bytes

blueprint = Blueprint("rejects", __name__, url_prefix="/imports")


@blueprint.get("/<id:id>/rejects")
@endpoint(operations.LIST_REJECTS, READ)
def list_rejects(id: ObjectId) -> Response:
    of, given = context(), query()
    [after] = cursor_values(given, tuple[_Offset]) or [None]
    limit = limit_of(given)
    document = import_of(id)
    rejected: int = document["checkpoint"]["counts"]["rejected"]
    if document["dialect"] is None:
        return json_response(RejectedRowPage(columns=[], items=[], next_cursor=None, rejected=rejected, omitted=0))
    job = job_of(document, of.ledger.now())
    dialect = dialect_of(job)
    columns = columns_of(dialect)
    page = of.rejected.page(job, limit, after)
    return json_response(
        RejectedRowPage(
            columns=row_columns(columns),
            items=[item for each in page.items for item in _items(each, dialect, columns)],
            next_cursor=None if page.last is None else to_cursor([page.last]),
            rejected=rejected,
            omitted=max(0, rejected - of.rejected.count(job)),
        )
    )


@blueprint.get("/<id:id>/rejects.csv")
@endpoint(operations.REJECTS_FILE, READ)
def rejects_file(id: ObjectId) -> Response:
    of, named = context(), import_of(id)["rejects"]
    if named is None or named["bucket"] != of.rejects_bucket:
        raise NotFound("rejects.none", "this import has no file of rejected rows")
    with ExitStack() as until_sent:
        until_sent.enter_context(of.concurrency.slot())
        try:
            chunks = until_sent.enter_context(of.objects.read(of.objects.find(named["bucket"], named["key"])))
        except ObjectGone as error:
            raise NotFound("rejects.none", "the file of rejected rows is not there any more") from error
        headers = {"Content-Disposition": 'attachment; filename="rejects.csv"'}
        response = Response(chunks, headers=headers, content_type=CONTENT_TYPE)
        response.call_on_close(until_sent.pop_all().close)
    return response


@blueprint.post("/<id:id>/corrections")
@endpoint(operations.CORRECT, WRITE)
def correct(id: ObjectId) -> Response:
    of, key, body = context(), _required_key(), json_body(NewCorrections)
    document, now = import_of(id), of.ledger.now()
    check_bucket(of, document["bucket"], None)
    job, budget = job_of(document, now), Budget(of.export_seconds)
    corrections = [Correction(each.row, each.values, each.drop) for each in body.rows]
    with of.concurrency.slot():
        written = of.corrections.find(job, corrections, key, over_newer=body.over_newer)
        if written is None:
            _check_whole(document)
            written = of.corrections.write(job, corrections, key, now, budget, over_newer=body.over_newer)
    import_id, _ = of.ledger.submit(written.version)
    of.kicker.kick(IMPORTER)
    return json_response(
        CorrectionsFile(
            bucket=written.version.bucket,
            key=written.version.key,
            version_id=written.version.version_id,
            import_id=str(import_id),
            rows=written.rows,
        ),
        201,
    )


def _check_whole(document: Document) -> None:
    """Raises `Conflict` unless the import has read its whole file: else rows of an invoice may be missing."""
    error = document["error"] or {}
    ended = document["state"] == DONE or (document["state"] == FAILED and error.get("code") == ALL_REJECTED)
    if not ended or document["dryRun"]:
        message = "only an import that has read its whole file, and is no dry run, can be corrected"
        raise Conflict("import.state", f"the import is {document['state']}: {message}")


def row_columns(columns: Sequence[CellColumn]) -> list[RowColumn]:
    """The columns as the API shows them."""
    return [RowColumn(key=each.key, name=each.name, target=each.target) for each in columns]


def cells(row: CellRow, columns: Sequence[CellColumn]) -> dict[str, str] | None:
    """The cells of a row by the keys of their columns."""
    return None if row.cells is None else {each.key: row.cells[each.index] for each in columns}


def _items(rejected: Rejected, dialect: Dialect, columns: Sequence[CellColumn]) -> list[RejectedRow]:
    errors = [RowFault(column=each.column, code=each.code, message=each.message) for each in rejected.errors]
    return [
        RejectedRow(
            row=row.row,
            invoice_row=rejected.row,
            text=row.text,
            cells=cells(row, columns),
            errors=errors if row.row == rejected.row else [],
        )
        for row in rows_of(rejected, dialect)
    ]


def _required_key() -> str:
    key = idempotency_key()
    if key is None:
        detail = "send an Idempotency-Key, so that a repeated call writes nothing more"
        raise Invalid("Idempotency-Key", "idempotency.missing", detail)
    return key
