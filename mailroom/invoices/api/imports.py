"""The views of imports: lists, one import, starting, and what people do to a running or ended one."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from bson import ObjectId
from flask import Blueprint, Response
from msgspec import UNSET
from msgspec.structs import replace

from mailroom.errors import Invalid, MissingSecret, NotFound, Unavailable
from mailroom.invoices.api import operations, schemas
from mailroom.invoices.api.context import InvoicesContext, context
from mailroom.invoices.api.invoices import READ, WRITE
from mailroom.invoices.api.parameters import import_filter
from mailroom.invoices.api.presets import check_preset_is_there
from mailroom.invoices.views.filters import ImportFilter
from mailroom.platform.clock import Budget
from mailroom.platform.kick import IMPORTER
from mailroom.platform.mongo import Document
from mailroom.platform.objects import ObjectGone, ObjectVersion
from mailroom.platform.waiting import Waiting
from mailroom.web.endpoints import endpoint, json_body, query
from mailroom.web.idempotency import repeatable_call
from mailroom.web.paging import cursor_of, key_of, limit_of
from mailroom.web.representation import json_response
from mailroom.web.schemas import waiting_for

log = logging.getLogger(__name__)

_LONGEST_KEY_BYTES = 1024  # S3's

blueprint = Blueprint("imports", __name__, url_prefix="/imports")


@blueprint.get("")
@endpoint(operations.LIST_IMPORTS, READ)
def list_imports() -> Response:
    given = query()
    wanted = import_filter(given)
    page = context().queries.list_imports(wanted, limit_of(given), key_of(given, wanted.order))
    items = [schemas.import_(item) for item in page.items]
    waiting = None if items or "cursor" in given else _why_there_is_none(wanted)
    answer = schemas.ImportPage(items=items, next_cursor=cursor_of(wanted.order, page.last))
    return json_response(replace(answer, waiting_for=waiting_for(waiting) or UNSET))


@blueprint.get("/<id:id>")
@endpoint(operations.GET_IMPORT, READ)
def get_import(id: ObjectId) -> Response:
    document = import_of(id)
    return json_response(schemas.import_details(document, context().waiting.of(document)))


@blueprint.post("")
@endpoint(operations.START_IMPORT, WRITE)
def start_import() -> Response:
    of, body = context(), json_body(operations.StartImport)
    call = repeatable_call(body)
    import_id = None if call is None else of.ledger.made_by(call)
    if import_id is None:
        version = version_of(of, body.bucket, body.key, body.version_id)
        if body.preset:
            check_preset_is_there(body.preset)
        import_id, _ = of.ledger.submit(
            version, force=body.force, dry_run=body.dry_run, preset=body.preset, approved=True, call=call
        )
    of.kicker.kick(IMPORTER)
    return json_response(schemas.AcceptedImport(id=str(import_id)), 202)


@blueprint.post("/<id:id>/retry")
@endpoint(operations.RETRY, WRITE)
def retry(id: ObjectId) -> Response:
    changed = context().actions.retry(id)
    context().kicker.kick(IMPORTER)
    return json_response(schemas.AcceptedImport(id=str(changed["_id"])), 202)


@blueprint.post("/<id:id>/cancel")
@endpoint(operations.CANCEL, WRITE)
def cancel(id: ObjectId) -> Response:
    return json_response(schemas.import_(context().actions.cancel(id)))


@blueprint.post("/<id:id>/undo")
@endpoint(operations.UNDO, WRITE)
def undo(id: ObjectId) -> Response:
    of = context()
    undone = of.actions.undo(id, Budget(of.budget_seconds))
    schema = schemas.Undo(deleted=undone.deleted, left=undone.left, complete=undone.complete)
    return json_response(schema, 200 if undone.complete else 202)


@blueprint.get("/<id:id>/undo")
@endpoint(operations.FORESEE_UNDO, READ)
def foresee_undo(id: ObjectId) -> Response:
    deletes, leaves = context().actions.foresee_undo(id)
    return json_response(schemas.UndoForecast(deletes=deletes, leaves=leaves))


def import_of(id: ObjectId) -> Document:
    """The import as MongoDB keeps it. Raises `NotFound`."""
    document = context().queries.import_(id)
    if document is None:
        raise NotFound("import.not_found", "there is no import with this id")
    return document


def check_bucket(of: InvoicesContext, bucket: str, field: str | None) -> None:
    """Raises `Invalid` for a bucket whose objects are not imported."""
    if bucket != of.bucket:
        raise Invalid(field, "bucket.not_imported", f"only objects of {of.bucket} are imported")


def check_key(key: str) -> None:
    """Raises `Invalid` for what cannot be the name of an object."""
    if not key or len(key.encode()) > _LONGEST_KEY_BYTES or "\0" in key:
        raise Invalid("key", "key.invalid", "key must be the name of an object")


def _why_there_is_none(wanted: ImportFilter) -> Waiting | None:
    """Why the object that a list is asked for has no import. None if the list is asked for something else."""
    of = context()
    if wanted.key is None or wanted.state is not None or wanted.bucket not in (None, of.bucket):
        return None
    try:
        version = of.objects.find(of.bucket, wanted.key, wanted.version_id or "")
    except ObjectGone:
        return Waiting("object", "The bucket has no such object.")
    except (Unavailable, MissingSecret) as error:
        log.warning("the object store cannot be asked for an object: %s", error)
        return Waiting("server", "The object store does not say whether there is such an object.")
    return of.waiting.of_object(datetime.fromtimestamp(version.modified_ms / 1000, UTC))


def version_of(of: InvoicesContext, bucket: str, key: str, version_id: str) -> ObjectVersion:
    """The version of an object that a call names, by default the newest. Raises `Invalid`."""
    check_bucket(of, bucket, "bucket")
    check_key(key)
    try:
        return of.objects.find(bucket, key, version_id)
    except ObjectGone as error:
        raise Invalid("versionId" if version_id else "key", "object.not_found", str(error)) from error
