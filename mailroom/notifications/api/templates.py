"""The views of templates: putting them, reading them, trying them out."""

from __future__ import annotations

from flask import Blueprint, Response
from msgspec.structs import asdict

from mailroom.errors import Invalid
from mailroom.notifications.api import operations
from mailroom.notifications.api.context import context
from mailroom.notifications.api.schemas import StoredTemplate, TemplateHead, TemplateVersion
from mailroom.notifications.templates import rendering
from mailroom.notifications.templates.store import Content
from mailroom.platform.mongo import Document
from mailroom.web.endpoints import caller, endpoint, json_body, query
from mailroom.web.paging import after_name, before_version, limit_of, to_cursor, version_parameter
from mailroom.web.representation import json_response

READ, WRITE = "templates:read", "templates:write"

blueprint = Blueprint("templates", __name__, url_prefix="/templates")


@blueprint.get("")
@endpoint(operations.LIST_TEMPLATES, READ)
def list_templates() -> Response:
    items, last = context().templates.page(limit_of(query()), after_name(query()))
    return json_response({"items": [TemplateHead.of(each) for each in items], "nextCursor": _cursor(last)})


@blueprint.get("/<name>/versions")
@endpoint(operations.LIST_VERSIONS, READ)
def versions(name: str) -> Response:
    """Newest first; a deletion is one of them."""
    items, last = context().templates.versions(name, limit_of(query()), before_version(query()))
    if not items and "cursor" not in query():
        raise context().templates.unknown(name)
    listed = [TemplateVersion.of(each, deleted=each["content"] is None) for each in items]
    return json_response({"items": listed, "nextCursor": _cursor(last)})


@blueprint.get("/<name>")
@endpoint(operations.GET_TEMPLATE, READ)
def get_template(name: str) -> Response:
    return json_response(_stored(context().templates.find(name, version_parameter(query()))))


@blueprint.put("/<name>")
@endpoint(operations.PUT_TEMPLATE, WRITE)
def put_template(name: str) -> Response:
    body = json_body(operations.PutTemplate)
    content = _checked(name, body)
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
    if body.content is None:
        template = context().templates.find(name, body.version)
    else:
        template = {"name": name, "version": 0, "content": asdict(_checked(name, body.content, "content."))}
    return json_response(rendering.fill(template, body.parameters, "parameters"))


def _checked(name: str, body: operations.PutTemplate, within: str = "") -> Content:
    """The content that a call gives. Raises `Invalid` for the first field at fault, which is `within` another one."""
    content = Content(body.subject, body.html or None, body.text or None)
    try:
        rendering.check(name, content)
    except Invalid as error:
        field = error.field if error.field == "name" else f"{within}{error.field}"
        raise Invalid(field, error.code, error.message) from None
    return content


def _cursor(last: str | int | None) -> str | None:
    return None if last is None else to_cursor([last])


def _stored(document: Document) -> StoredTemplate:
    return StoredTemplate.of(document | document["content"])
