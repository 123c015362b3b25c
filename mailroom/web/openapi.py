"""The contract of an API as OpenAPI 3.1, made from its routes: a route cannot be missing, nor one be invented."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from mailroom import __version__
from mailroom.web.endpoints import Contract, KeyNeed, Parameter, Route
from mailroom.web.schemas import Id

JSON, PROBLEM = "application/json", "application/problem+json"
_COMPONENT = "#/components/schemas/{name}"
_REFUSAL = {PROBLEM: {"schema": {"$ref": _COMPONENT.format(name="Problem")}}}
_ALWAYS = (422, 429, 503)  # what every route may answer: 422 to a parameter that it does not know
_WITH_KEY = (401, 403)


def document(contract: Contract, routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = re.sub(r"<(\w+)>", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    schemas = msgspec.json.schema_components(_types(routes), ref_template=_COMPONENT)[1]
    return {
        "openapi": "3.1.0",
        "info": {"title": contract.title, "description": contract.text, "version": __version__, "license": _LICENSE},
        "servers": [{"url": f"/function/{contract.function}"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Problem": _problem(contract.problem_members)},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key, `mr_…`."}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation = route.operation
    described = f"{operation.text}\n\n{_access(route)}".strip()
    in_path = [
        Parameter(name, "", where="path", required=True, kind=Id if name == "id" else str)
        for name in re.findall(r"<(\w+)>", route.path)
    ]
    result: dict[str, Any] = {
        # Two endpoints may have the same name; a method and a path are one route's.
        "operationId": "_".join([route.method.lower(), *re.findall(r"\w+", route.path)]),
        "summary": operation.summary,
        "description": described,
        "security": _security(route),
        "responses": {str(status): _answer(status, kind) for status, kind in operation.answers.items()},
    }
    refusals = {
        *_ALWAYS,
        *(_WITH_KEY if route.scopes else () if route.key is KeyNeed.NONE else (401,)),
        *operation.problems,
        *((400, 413) if operation.body is not None else ()),
    }
    for status in sorted(refusals):
        # An answer of another type may have the same status: a batch of which nothing was accepted.
        content = result["responses"].get(str(status), {}).get("content", {})
        phrase = _PHRASES.get(status) or HTTPStatus(status).phrase
        result["responses"][str(status)] = {"description": phrase, "content": content | _REFUSAL}
    if parameters := [_parameter(each) for each in (*in_path, *operation.parameters)]:
        result["parameters"] = parameters
    if operation.body is not None:
        content = {media: {"schema": _schema(each)} for media, each in _by_media_type(operation.body).items()}
        result["requestBody"] = {"required": operation.body_required, "content": content}
    return result


def _access(route: Route) -> str:
    if route.scopes:
        return f"Scope: {' or '.join(f'`{each}`' for each in route.scopes)}"
    return "No key is needed." if route.key is KeyNeed.NONE else "Any key serves; no scope is needed."


def _security(route: Route) -> list[dict[str, list[str]]]:
    """Any one of these opens the route; an empty one stands for a call without a key."""
    if route.key is KeyNeed.NONE:
        return []
    keys: list[dict[str, list[str]]] = [{"key": [each]} for each in route.scopes] or [{"key": []}]
    return [*keys, {}] if route.key is KeyNeed.OPTIONAL else keys


def _answer(status: int, kind: Any) -> dict[str, Any]:
    content = {media: {"schema": _schema(each)} for media, each in _by_media_type(kind).items()}
    return {"description": HTTPStatus(status).phrase} | ({"content": content} if content else {})


def _by_media_type(kind: Any) -> Mapping[str, Any]:
    """The types of a body or an answer; empty without content."""
    return kind if isinstance(kind, dict) else {} if kind is None else {JSON: kind}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.required,
        **({"description": parameter.text} if parameter.text else {}),
        "schema": _schema(parameter.kind),
    }


def _schema(kind: Any) -> dict[str, Any]:
    return msgspec.json.schema_components([kind], ref_template=_COMPONENT)[0][0]


def _types(routes: Sequence[Route]) -> list[Any]:
    """Every type that a route names; their parts become the components."""
    bodies = (kind for route in routes for kind in (route.operation.body, *route.operation.answers.values()))
    return [kind for body in bodies for kind in _by_media_type(body).values()]


def _problem(members: Mapping[str, Any]) -> dict[str, Any]:
    text = {"type": "string"}
    own: dict[str, Any] = {
        "type": text,
        "title": text,
        "status": {"type": "integer"},
        "detail": text | {"description": "For people; its wording may change."},
        "code": text | {"description": "For programs; stable."},
        "field": text | {"description": "The part of the request that is at fault."},
        "callId": text | {"description": "Under this id the logs have more."},
    }
    return {
        "title": "Problem",
        "description": "RFC 9457",
        "type": "object",
        "properties": {**own, **members},
        "required": ["type", "title", "status", "detail", "code"],
    }


_LICENSE = {"name": "MIT", "identifier": "MIT"}
_PHRASES = {
    401: "No valid key",
    403: "The key lacks the scope",
    404: "There is nothing with this id",
    413: "The body is too long",
    422: "A field or a parameter is at fault; `field` names it",
    429: "The key calls too often",
    503: "A server that the API needs does not answer; try again after `Retry-After` seconds",
}
