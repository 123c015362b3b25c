"""What an API promises about each of its routes: the scope, the parameters, the body and the answers.

    @blueprint.get("/<id:id>")
    @endpoint(GET_INVOICE, "invoices:read")
    def get_invoice(id: ObjectId) -> Response: ...

A view with `@key_endpoint(GET_SESSION)` runs for any key, whatever its scopes are. A view with
`@open_endpoint(UNSUBSCRIBE)` runs without an API key: it checks for itself who calls, by a signature. With
`@optional_key_endpoint(START_SESSION)`, either serves: a key that is sent must be valid.

The OpenAPI document is made from these promises, and a call that breaks one is refused before the view runs.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, TypeVar

import msgspec
from bson import ObjectId
from flask import Flask, Response, g, request
from msgspec import Meta
from werkzeug.routing import BaseConverter, Rule

from mailroom.errors import Invalid
from mailroom.platform.api_keys import Caller
from mailroom.web.problems import Problem

_NO_LIMIT = 1 << 62

View = Callable[..., Response]
T = TypeVar("T")


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of the query, or with `where="header"` a header. `kind` is a type for msgspec."""

    name: str
    text: str
    kind: Any = str
    where: str = "query"
    required: bool = False


class Operation(msgspec.Struct, frozen=True):
    """One route, as its callers see it.

    `answers` gives for each status the type of the JSON that is sent, or types by media type, or None for no content.
    `body` is the type of the JSON that is taken, or types by media type.
    `problems` are the statuses, beside those that every route has, of which a problem document may come.
    `streamed_body`: the body is never held in memory, so only the function runtime limits it.
    """

    summary: str
    answers: Mapping[int, Any]
    body: Any = None
    body_required: bool = True
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[int, ...] = ()
    text: str = ""
    streamed_body: bool = False

    def query_names(self) -> frozenset[str]:
        return frozenset(each.name for each in self.parameters if each.where == "query")


class Contract(msgspec.Struct, frozen=True):
    """An API as a whole. `function` is the function's name at the gateway.

    `problem_members` are the JSON schemas of what its problem documents hold beside the standard's members.
    `most_body_bytes` is the limit of a body that is held in memory, where that of the function runtime is higher.
    """

    function: str
    title: str
    text: str
    problem_members: Mapping[str, Any] = msgspec.field(default_factory=dict)
    most_body_bytes: int | None = None


PAGE = (
    Parameter(
        "limit", "Most items of the page.", Annotated[int, Meta(ge=1, le=1000, extra_json_schema={"default": 100})]
    ),
    Parameter("cursor", "The `nextCursor` of the page before, with the same sort."),
)


class ObjectIdConverter(BaseConverter):
    """`<id:NAME>` in a path: 24 hexadecimal digits. Any other text is no id, so that `/imports` is not one."""

    regex = "[0-9a-fA-F]{24}"

    def to_python(self, value: str) -> ObjectId:
        return ObjectId(value)


class KeyNeed(Enum):
    """Whether a route needs a valid API key. `OPTIONAL`: a call without one is served too, or refused by the view."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


class Endpoint:
    """A view with its promises. It runs for a caller whose key has one of the `scopes`, if it has some.

    A parameter that is not named is refused.
    """

    def __init__(self, view: View, operation: Operation, scopes: tuple[str, ...], key: KeyNeed) -> None:
        self.operation, self.scopes, self.key = operation, scopes, key
        self._view = view
        functools.update_wrapper(self, view)

    def __call__(self, **path: Any) -> Response:
        names = query().keys()
        if self.scopes and caller().scopes.isdisjoint(self.scopes):
            raise Problem(403, "auth.scope", f"this key lacks the scope {self.scopes[0]}")
        for name in names - self.operation.query_names():
            raise Invalid(name, "query.unknown", f"unknown parameter {name}")
        if self.operation.streamed_body:
            request.max_content_length = _NO_LIMIT
        return self._view(**path)


def endpoint(operation: Operation, scope: str, *others: str) -> Callable[[View], Endpoint]:
    """Declares what a view promises. The key needs one of the scopes."""
    return lambda view: Endpoint(view, operation, (scope, *others), KeyNeed.REQUIRED)


def key_endpoint(operation: Operation) -> Callable[[View], Endpoint]:
    """Declares what a view promises that any key opens."""
    return lambda view: Endpoint(view, operation, (), KeyNeed.REQUIRED)


def optional_key_endpoint(operation: Operation) -> Callable[[View], Endpoint]:
    """Declares what a view promises that runs with any key, and also without one."""
    return lambda view: Endpoint(view, operation, (), KeyNeed.OPTIONAL)


def open_endpoint(operation: Operation) -> Callable[[View], Endpoint]:
    """Declares what a view promises that needs no API key."""
    return lambda view: Endpoint(view, operation, (), KeyNeed.NONE)


class Route(msgspec.Struct, frozen=True):
    """A method and a path, such as `/imports/<id>`, that an application serves."""

    method: str
    path: str
    scopes: tuple[str, ...]
    key: KeyNeed
    operation: Operation


def routes(app: Flask) -> Iterator[Route]:
    """Every route that the application declares with `endpoint` or one of its kin."""
    for rule in app.url_map.iter_rules():
        view: Any = app.view_functions[rule.endpoint]
        if isinstance(view, Endpoint):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield Route(method, path_of(rule), view.scopes, view.key, view.operation)


def path_of(rule: Rule) -> str:
    """The path of a rule as people read it: without the converters."""
    return re.sub(r"<\w+:", "<", rule.rule)


def caller() -> Caller:
    """The owner of the key of this call."""
    found: Caller = g.caller
    return found


def has_caller() -> bool:
    """Whether a valid key came with this call."""
    return "caller" in g


def query() -> dict[str, str]:
    """The parameters of this call. Raises `Invalid` for one that is given more than once."""
    for name, values in request.args.lists():
        if len(values) > 1:
            raise Invalid(name, "query.repeated", f"{name} is given more than once")
    return request.args.to_dict()


def json_body(kind: type[T], body: bytes | None = None) -> T:
    """The JSON body of this call, or `body`, as `kind`.

    Raises:
        Problem: 400 when it is not JSON.
        Invalid: it is not of that form; names the field.
    """
    try:
        return msgspec.json.decode(request.get_data() if body is None else body, type=kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise Invalid(_field(path, message), "body.invalid", message) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "body.not_json", f"the body is not valid JSON: {error}") from None


def _field(path: str, message: str) -> str | None:
    """The field in msgspec's words: a path such as `.emailTo[0]`, or a name in back-quotes in the message."""
    named = message.split("`")[1] if "missing required field" in message or "unknown field" in message else ""
    path = path.strip("`").lstrip(".")
    return ".".join(part for part in (path, named) if part) or None
