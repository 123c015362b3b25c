"""Templates: putting them, reading them, trying them out."""

from __future__ import annotations

from typing import Any

import msgspec

from mailroom.notifications.templates import rendering
from mailroom.notifications.templates.rendering import Version
from mailroom.notifications.templates.store import Content, Templates, to_template, unknown
from mailroom.platform.clock import rfc3339
from mailroom.platform.mongo import Document
from mailroom.web import paging
from mailroom.web.api import Problem, Request, Response

MOST_DIGITS = 9


class PutTemplate(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `PUT /templates/{name}`: Jinja2, of which only a part is understood. `html` or `text`, or both."""

    subject: str
    html: str | None = None
    text: str | None = None


class PreviewTemplate(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `POST /templates/{name}/preview`. Without `version` it is the newest."""

    parameters: dict[str, Any] = {}
    version: Version | None = None


class TemplateList:
    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    def list(self, request: Request) -> Response:
        paging.only(request.query)
        items, cursor = self._templates.page(request.query)
        return Response({"items": [_head(each) for each in items], "nextCursor": cursor})

    def versions(self, request: Request) -> Response:
        """Newest first; a deletion is one of them."""
        paging.only(request.query)
        items, cursor = self._templates.versions(request.parameters["name"], request.query)
        if not items and "cursor" not in request.query:
            raise unknown(request.parameters["name"], None)
        listed = [_head(each) | {"deleted": each["content"] is None} for each in items]
        return Response({"items": listed, "nextCursor": cursor})

    def get(self, request: Request) -> Response:
        """The newest version, or the one that `version` says."""
        paging.only(request.query, "version")
        return Response(_item(self._find(request, _version(request.query.get("version")))))

    def put(self, request: Request) -> Response:
        """Makes a new version, unless the newest is just like it: 201 for the first, 200 for the others."""
        paging.only(request.query)
        body = request.decode(PutTemplate)
        content = Content(body.subject, body.html or None, body.text or None)
        rendering.check(request.parameters["name"], content)
        document, first = self._templates.put(request.parameters["name"], content, request.caller.id)
        return Response(_item(document), 201 if first else 200)

    def delete(self, request: Request) -> Response:
        """Messages cannot be made from it any more; its versions can still be read by number."""
        paging.only(request.query)
        version = self._templates.delete(request.parameters["name"], request.caller.id)
        if version is None:
            raise unknown(request.parameters["name"], None)
        return Response({"deleted": request.parameters["name"], "version": version})

    def preview(self, request: Request) -> Response:
        """What a message made with these parameters would say. Nothing is stored or sent."""
        paging.only(request.query)
        body = request.decode(PreviewTemplate)
        document = self._find(request, body.version)
        rendered = rendering.fill(to_template(document), body.parameters, "parameters")
        return Response({name: getattr(rendered, name) for name in ("name", "version", "subject", "html", "text")})

    def _find(self, request: Request, version: int | None) -> Document:
        found = self._templates.find(request.parameters["name"], version)
        if found is None:
            raise unknown(request.parameters["name"], version)
        return found


def _version(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise Problem(422, "version.invalid", "version must be a whole number", field="version")
    return int(text)


def _head(document: Document) -> dict[str, Any]:
    return {
        "name": document["name"],
        "version": document["version"],
        "createdAt": rfc3339(document["createdAt"]),
        "keyId": document["keyId"],
    }


def _item(document: Document) -> dict[str, Any]:
    content: Document = document["content"]
    return _head(document) | content
