"""The views for those who upload: a form that needs no credentials, and the empty file to fill in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from flask import Blueprint, Response, request

from mailroom.errors import Invalid
from mailroom.invoices.api import operations, schemas
from mailroom.invoices.api.context import context
from mailroom.invoices.api.invoices import READ, WRITE
from mailroom.invoices.model.columns import COLUMNS
from mailroom.platform.clock import rfc3339
from mailroom.web.endpoints import endpoint, json_body
from mailroom.web.representation import json_response

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
    expires = datetime.now(UTC) + timedelta(seconds=body.expires_seconds)
    policy = PostPolicy(of.bucket, expires)
    policy.add_starts_with_condition("$key", body.key_prefix)
    policy.add_content_length_range_condition(1, body.max_bytes)
    form = schemas.Upload(
        url=f"{of.public_endpoint.rstrip('/')}/{quote(of.bucket)}",
        fields={name: str(value) for name, value in of.objects.client.presigned_post_policy(policy).items()},
        key_prefix=body.key_prefix,
        max_bytes=body.max_bytes,
        expires_at=rfc3339(expires),
    )
    return json_response(form, 201)
