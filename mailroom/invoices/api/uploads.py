"""The views for those who upload: a form that needs no credentials, and the empty file to fill in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import quote, urlsplit

from flask import Blueprint, Response, request

from mailroom.errors import Invalid
from mailroom.invoices.api import operations, schemas
from mailroom.invoices.api.context import context
from mailroom.invoices.api.imports import check_key
from mailroom.invoices.api.invoices import READ, WRITE
from mailroom.invoices.api.presets import check_preset_is_there
from mailroom.invoices.api.rows.operations import PUT_FILE
from mailroom.invoices.api.rows.schemas import WrittenFile
from mailroom.invoices.model.columns import COLUMNS
from mailroom.invoices.model.metadata import METADATA_COLUMNS, METADATA_HOLD, METADATA_PRESET
from mailroom.invoices.presets.options import check_columns
from mailroom.platform.clock import rfc3339
from mailroom.platform.kick import IMPORTER
from mailroom.web.endpoints import endpoint, json_body, query
from mailroom.web.representation import json_response

_MOST_METADATA_BYTES = 1900  # S3 takes 2 KB of user metadata, their names included

_YES = "yes"
_REDIRECT = "success_action_redirect"
_LONGEST_NAME_BYTES = 255  # MinIO's, which keeps objects as files
_CHUNK_BYTES = 1 << 16
_CONTENT_TYPE = "application/octet-stream"

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
    if body.redirect:
        # The client takes no other condition for it. With a path in the URL, the host cannot be another one.
        policy.add_starts_with_condition(_REDIRECT, _checked_redirect(body.redirect))
    signed = of.objects.client.presigned_post_policy(policy)
    form = schemas.Upload(
        url=f"{of.public_endpoint.rstrip('/')}/{quote(of.bucket)}",
        fields={name: str(value) for name, value in signed.items()} | metadata | _redirect(body),
        key_prefix=body.key_prefix,
        max_bytes=body.max_bytes,
        expires_at=rfc3339(expires),
    )
    return json_response(form, 201)


@blueprint.post("/files")
@endpoint(PUT_FILE, WRITE)
def put_file() -> Response:
    of, given = context(), query()
    key, preset = given.get("key", ""), given.get("preset", "")
    _check_new_key(key)
    if preset:
        check_preset_is_there(preset)
    if not request.content_length:
        raise Invalid(None, "file.empty", "the body is empty: it must be the file")
    chunks = iter(partial(request.stream.read, _CHUNK_BYTES), b"")
    if given.get("hold", "") not in ("", "true", "false"):
        raise Invalid("hold", "hold.invalid", "hold must be true or false")
    metadata = {METADATA_PRESET: preset, METADATA_HOLD: _YES if given.get("hold") == "true" else ""}
    metadata = {name: value for name, value in metadata.items() if value}
    version_id = of.objects.write(of.bucket, key, chunks, _CONTENT_TYPE, metadata)
    version = of.objects.find(of.bucket, key, version_id)
    import_id, _ = of.ledger.submit(version)
    of.kicker.kick(IMPORTER)
    written = WrittenFile(
        bucket=version.bucket, key=version.key, version_id=version.version_id, import_id=str(import_id)
    )
    return json_response(written, 201)


def _check_new_key(key: str) -> None:
    """Raises `Invalid` for a name that some S3 server does not take, or that no listing can show."""
    check_key(key)
    parts = key.split("/")
    if {"", ".", ".."} & set(parts) or not key.strip() or not key.isprintable() or "\\" in key:
        raise Invalid("key", "key.invalid", "key must be a name such as acme/may.csv, and printable")
    if any(len(part.encode()) > _LONGEST_NAME_BYTES for part in parts):
        message = f"each part of the key has at most {_LONGEST_NAME_BYTES} bytes"
        raise Invalid("key", "key.invalid", message)


def _redirect(body: operations.NewUpload) -> dict[str, str]:
    return {_REDIRECT: body.redirect} if body.redirect else {}


def _checked_redirect(url: str) -> str:
    """Raises `Invalid` for what is no URL of a page."""
    parts = urlsplit(url)
    is_page = parts.scheme in ("http", "https") and parts.netloc and parts.path
    if not (is_page and url.isascii() and url.isprintable()) or "@" in parts.netloc:
        raise Invalid("redirect", "redirect.invalid", "redirect must be a URL such as https://example.com/files")
    return url


def _metadata(body: operations.NewUpload) -> dict[str, str]:
    """The metadata of the object that says how it is read. Headers take ASCII only: JSON escapes everything else."""
    if body.preset:
        check_preset_is_there(body.preset)
    check_columns("columns", body.columns)
    columns = json.dumps(body.columns) if body.columns else ""
    if len(columns) > _MOST_METADATA_BYTES:
        raise Invalid("columns", "columns.too_many", "columns are too many for an object's metadata: make a preset")
    given = {METADATA_PRESET: body.preset, METADATA_COLUMNS: columns, METADATA_HOLD: _YES if body.hold else ""}
    return {name: value for name, value in given.items() if value}
