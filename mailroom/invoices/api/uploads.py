"""The views for those who upload: a form that needs no credentials, and the empty file to fill in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from flask import Blueprint, Response, request

from mailroom.errors import Invalid
from mailroom.invoices.api import operations, schemas
from mailroom.invoices.api.context import context
from mailroom.invoices.api.invoices import READ, WRITE
from mailroom.invoices.api.presets import check_preset_is_there
from mailroom.invoices.api.rows.operations import PUT_FILE
from mailroom.invoices.model.columns import COLUMNS
from mailroom.invoices.presets.options import check_columns
from mailroom.invoices.presets.selection import METADATA_COLUMNS, METADATA_PRESET
from mailroom.platform.clock import rfc3339
from mailroom.web.endpoints import endpoint, json_body
from mailroom.web.problems import Problem
from mailroom.web.representation import json_response

_MOST_METADATA_BYTES = 1900  # S3 takes 2 KB of user metadata, their names included

blueprint = Blueprint("uploads", __name__)


@blueprint.get("/template.csv")
@endpoint(operations.TEMPLATE, READ)
def template() -> Response:
    headers = {"Content-Disposition": 'attachment; filename="template.csv"'}
    return Response(",".join(COLUMNS) + "\r\n", headers=headers, content_type="text/csv; charset=utf-8")


@blueprint.post("/uploads")
@endpoint(operations.UPLOAD, WRITE)
def upload() -> Response:
    from minio.datatypes import PostPolicy  # slow to import, and only needed here

    of = context()
    body = json_body(operations.NewUpload) if request.get_data() else operations.NewUpload()
    if "\0" in body.key_prefix or body.key_prefix.startswith("/"):
        raise Invalid("keyPrefix", "key.invalid", "keyPrefix must be the beginning of an object's name")
    metadata = _metadata(body)
    expires = datetime.now(UTC) + timedelta(seconds=body.expires_seconds)
    policy = PostPolicy(of.bucket, expires)
    policy.add_starts_with_condition("$key", body.key_prefix)
    policy.add_content_length_range_condition(1, body.max_bytes)
    for name, value in metadata.items():
        policy.add_equals_condition(name, value)
    signed = of.objects.client.presigned_post_policy(policy)
    form = schemas.Upload(
        url=f"{of.public_endpoint.rstrip('/')}/{quote(of.bucket)}",
        fields={name: str(value) for name, value in signed.items()} | metadata,
        key_prefix=body.key_prefix,
        max_bytes=body.max_bytes,
        expires_at=rfc3339(expires),
    )
    return json_response(form, 201)


@blueprint.post("/files")
@endpoint(PUT_FILE, WRITE)
def put_file() -> Response:
    raise Problem(501, "not.there", "not there yet")


def _metadata(body: operations.NewUpload) -> dict[str, str]:
    """The metadata of the object that says how it is read. Headers take ASCII only: JSON escapes everything else."""
    if body.preset:
        check_preset_is_there(body.preset)
    check_columns("columns", body.columns)
    columns = json.dumps(body.columns) if body.columns else ""
    if len(columns) > _MOST_METADATA_BYTES:
        raise Invalid("columns", "columns.too_many", "columns are too many for an object's metadata: make a preset")
    given = {METADATA_PRESET: body.preset, METADATA_COLUMNS: columns}
    return {name: value for name, value in given.items() if value}
