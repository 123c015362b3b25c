"""The views of templates: putting them, reading them, trying them out."""

from __future__ import annotations

from flask import Blueprint, Response
from msgspec.structs import asdict

from mailroom.errors import Invalid
from mailroom.notifications.api import operations, parameters
from mailroom.notifications.api.context import context
from mailroom.notifications.api.schemas import StoredTemplate, TemplateHead, TemplateVersion
from mailroom.notifications.templates import rendering
from mailroom.notifications.templates.store import Content
from mailroom.platform.mongo import Document
from mailroom.web.endpoints import caller, endpoint, json_body, query
from mailroom.web.paging import limit_of, to_cursor
from mailroom.web.representation import json_response

READ, WRITE = "templates:read", "templates:write"
MOST_DIGITS = 9

blueprint = Blueprint("templates", __name__, url_prefix="/templates")


@blueprint.get("")
@endpoint(operations.LIST_TEMPLATES, READ)
def list_templates() -> Response:
    items, last = context().templates.page(limit_of(query()), parameters.after_name(query()))
    return json_response({"items": [TemplateHead.of(each) for each in items], "nextCursor": _cursor(last)})


@blueprint.get("/<name>/versions")
@endpoint(operations.LIST_VERSIONS, READ)
def versions(name: str) -> Response:
    """Newest first; a deletion is one of them."""
    items, last = context().templates.versions(name, limit_of(query()), parameters.before_version(query()))
    if not items and "cursor" not in query():
        raise context().templates.unknown(name)
    listed = [TemplateVersion.of(each, deleted=each["content"] is None) for each in items]
    return json_response({"items": listed, "nextCursor": _cursor(last)})


@blueprint.get("/<name>")
@endpoint(operations.GET_TEMPLATE, READ)
def get_template(name: str) -> Response:
    return json_response(_stored(context().templates.find(name, _version(query().get("version")))))


@blueprint.put("/<name>")
@endpoint(operations.PUT_TEMPLATE, WRITE)
def put_template(name: str) -> Response:
    body = json_body(operations.PutTemplate)
    content = Content(body.subject, body.html or None, body.text or None)
    rendering.check(name, content)
    document, first = context().templates.put(name, asdict(content), caller().id)
    return json_response(_stored(document), 201 if first else 200)


@blueprint.delete("/<name>")
@endpoint(operations.DELETE_TEMPLATE, WRITE)
def delete_template(name: str) -> Response:
    return json_response({"deleted": name, "version": context().templates.delete(name, caller().id)})


@blueprint.post("/<name>/preview")
@endpoint(operations.PREVIEW_TEMPLATE, READ)
def preview(name: str) -> Response:
    """Nothing is stored or sent."""
    body = json_body(operations.PreviewTemplate)
    return json_response(rendering.fill(context().templates.find(name, body.version), body.parameters, "parameters"))


def _version(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise Invalid("version", "version.invalid", "version must be a whole number")
    return int(text)


def _cursor(last: str | int | None) -> str | None:
    return None if last is None else to_cursor([last])


def _stored(document: Document) -> StoredTemplate:
    return StoredTemplate.of(document | document["content"])
