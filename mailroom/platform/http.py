"""An HTTP API inside one function: routes, keys, problems (RFC 9457), JSON.

A handler's event comes in, a dictionary in the template's form goes out. The endpoints see neither: they take a
`Request` and return a `Response`, or raise `Problem`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec
from pymongo.errors import PyMongoError
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, RequestRedirect, Rule

from mailroom.errors import MailroomError, Unavailable
from mailroom.platform import mongo

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5

T = TypeVar("T")


class Problem(MailroomError):
    """An answer of `application/problem+json`.

    `code` is stable and for programs, `detail` for people; `field` names the part of the request that is at fault.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.field = status, code, detail, field
        self.headers = dict(headers or {})


class Event(Protocol):
    """What the function template hands to a handler."""

    body: bytes
    headers: Mapping[str, str]
    method: str
    query: Any
    path: str


@dataclass(frozen=True)
class Caller:
    """Whose key it was. `scopes` such as `invoices:read`."""

    id: str
    name: str
    scopes: frozenset[str]


NOBODY = Caller(id="", name="", scopes=frozenset())


class Authenticate(Protocol):
    def __call__(self, authorization: str) -> Caller:
        """The caller of that `Authorization` header; raises `Problem` 401."""


@dataclass(frozen=True)
class Request:
    """A call. Header names are lower case; of a repeated query parameter the repetition is refused."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    parameters: Mapping[str, str] = field(default_factory=dict)
    caller: Caller = NOBODY

    def decode(self, kind: type[T]) -> T:
        """The JSON body as `kind`.

        Raises:
            Problem: 400 when it is not JSON, 422 naming the field when it is not of that form.
        """
        try:
            return msgspec.json.decode(self.body, type=kind)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$")
            raise Problem(422, "body.invalid", message, field=_field(path, message)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Problem(400, "body.not_json", f"the body is not valid JSON: {error}") from None


@dataclass(frozen=True)
class Response:
    """An answer. `body` is sent as JSON, unless it is bytes or an iterator of bytes, which `content_type` describes."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


Endpoint = Callable[[Request], Response]


class Api:
    """The endpoints of one function. Calling it with an event gives the template's answer."""

    def __init__(self, authenticate: Authenticate, *, with_problem: Callable[[Problem], dict[str, Any]] = lambda _: {}):
        """`with_problem` gives further members for problem documents."""
        self._authenticate = authenticate
        self._with_problem = with_problem
        self._map = Map(strict_slashes=False, merge_slashes=False)
        self._scopes: dict[Endpoint, str] = {}

    def add(self, method: str, path: str, scope: str, endpoint: Endpoint) -> None:
        """Serves `method` on `path` (werkzeug's rule syntax) for keys that have `scope`."""
        self._map.add(Rule(path, methods=[method], endpoint=endpoint))
        self._scopes[endpoint] = scope

    def __call__(self, event: Event, context: object = None) -> dict[str, Any]:
        try:
            response = self._answer(event)
        except Problem as problem:
            response = self._problem(problem)
        except Unavailable as error:
            response = self._problem(_unavailable(error))
        except PyMongoError as error:
            if not mongo.is_transient(error):
                raise
            response = self._problem(_unavailable(error))
        return _render(response, event.method)

    def _answer(self, event: Event) -> Response:
        # First the key: a stranger learns nothing, not even which paths there are.
        headers = {name.lower(): value for name, value in event.headers.items()}
        caller = self._authenticate(headers.get("authorization", ""))
        endpoint, parameters = self._match(event.method, event.path)
        scope = self._scopes[endpoint]
        if scope not in caller.scopes:
            raise Problem(403, "auth.scope", f"this key lacks the scope {scope}")
        return endpoint(
            Request(event.method, event.path, _query(event.query), headers, event.body or b"", parameters, caller)
        )

    def _match(self, method: str, path: str) -> tuple[Endpoint, Mapping[str, str]]:
        try:
            endpoint, parameters = self._map.bind("function").match(path or "/", method)
        except (NotFound, RequestRedirect):
            raise Problem(404, "path.unknown", "there is nothing at this path") from None
        except MethodNotAllowed as error:
            allowed = ", ".join(sorted(error.valid_methods or ()))
            raise Problem(405, "method.not_allowed", f"allowed here: {allowed}", headers={"Allow": allowed}) from None
        return endpoint, parameters

    def _problem(self, problem: Problem) -> Response:
        document = {"type": "about:blank", "title": _TITLES.get(problem.status, "Error"), "status": problem.status}
        document |= {"detail": problem.detail, "code": problem.code}
        if problem.field is not None:
            document["field"] = problem.field
        document |= self._with_problem(problem)
        return Response(document, problem.status, problem.headers, "application/problem+json")


_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


def _unavailable(error: Exception) -> Problem:
    log.warning("a server does not answer", exc_info=error)
    detail = str(error) if isinstance(error, Unavailable) else "MongoDB does not answer"
    return Problem(503, "service.unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _query(query: Any) -> dict[str, str]:
    """The query's parameters. The template gives a mapping, of-watchdog's other templates a string."""
    if isinstance(query, str | bytes):
        text = query.decode() if isinstance(query, bytes) else query
        pairs: Iterable[tuple[str, str]] = parse_qsl(text, keep_blank_values=True)
    elif hasattr(query, "lists"):  # werkzeug's MultiDict
        pairs = [(name, value) for name, values in query.lists() for value in values]
    else:
        pairs = list((query or {}).items())
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters:
            raise Problem(422, "query.repeated", f"{name} is given more than once", field=name)
        parameters[name] = value
    return parameters


def _field(path: str, message: str) -> str | None:
    """The field in msgspec's words: a path such as `.emailTo[0]`, or a name in back-quotes in the message."""
    named = message.split("`")[1] if "missing required field" in message or "unknown field" in message else ""
    path = path.strip("`").lstrip(".")
    return ".".join(part for part in (path, named) if part) or None


def _render(response: Response, method: str) -> dict[str, Any]:
    body, headers = response.body, dict(response.headers)
    headers.setdefault("Content-Type", response.content_type)
    headers.setdefault("Cache-Control", "no-store")
    if response.content_type.endswith("json") and not isinstance(body, bytes) and not hasattr(body, "__next__"):
        body = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    if method == "HEAD" and isinstance(body, bytes):
        headers["Content-Length"], body = str(len(body)), b""
    return {"statusCode": response.status, "body": body, "headers": headers}
