"""An HTTP API inside one function: routes, keys, problems (RFC 9457), JSON.

A handler's event comes in, a dictionary in the template's form goes out. The endpoints see neither: they take a
`Request` and return a `Response`, or raise `Problem`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec.structs import replace
from pymongo.errors import PyMongoError
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, RequestRedirect, Rule

from mailroom.errors import MissingSecret, NotSetUp, Refusal, Unavailable
from mailroom.platform import mongo
from mailroom.platform.api_keys import Caller as Caller
from mailroom.platform.api_keys import InvalidKey
from mailroom.web import openapi
from mailroom.web.operations import Contract, Operation
from mailroom.web.policy import Policy as Policy
from mailroom.web.problems import Problem as Problem  # endpoints take all they need from here
from mailroom.web.problems import problem_of
from mailroom.web.rendering import Response as Response
from mailroom.web.rendering import render

log = logging.getLogger(__name__)
audit = logging.getLogger("audit")

RETRY_AFTER_SECONDS = 5
NOT_SET_UP = "the database is not set up: run `python -m mailroom setup`"

_SAFE = ("GET", "HEAD", "OPTIONS")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

T = TypeVar("T")


class Event(Protocol):
    """What the function template hands to a handler."""

    body: bytes
    headers: Mapping[str, str]
    method: str
    query: Any
    path: str


NOBODY = Caller(id="", name="", scopes=frozenset())


class Authenticate(Protocol):
    def __call__(self, authorization: str) -> Caller:
        """The caller of that `Authorization` header; raises `Problem` 401."""


class Request(msgspec.Struct, frozen=True):
    """A call. Header names are lower case; of a repeated query parameter the repetition is refused."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    parameters: Mapping[str, str] = msgspec.field(default_factory=dict)
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


Endpoint = Callable[[Request], Response]


class Route(msgspec.Struct, frozen=True):
    """`path` is in werkzeug's rule syntax. Without an `operation` the contract says only that the route is there."""

    method: str
    path: str
    scope: str
    endpoint: Endpoint
    operation: Operation | None = None


class Api:
    """The endpoints of one function. Calling it with an event gives the template's answer."""

    def __init__(
        self,
        authenticate: Authenticate,
        *,
        with_problem: Callable[[Problem], dict[str, Any]] = lambda _: {},
        contract: Contract | None = None,
        policy: Policy | None = None,
    ) -> None:
        """`with_problem` gives further members for problem documents. With a `contract`, `/openapi.json` and `/docs`
        are served, to anybody: they hold nothing that the source does not, and a browser cannot send a key with a page.
        """
        self.routes: list[Route] = []
        self._authenticate = authenticate
        self._with_problem = with_problem
        self._policy = policy or Policy()
        self._map = Map(strict_slashes=False, merge_slashes=False)
        self._by_path: dict[str, dict[str, Route]] = {}
        self._public: dict[str, Callable[[], Response]] = {}
        if contract is not None:
            self._public = openapi.pages(contract, self.routes)

    def add(self, method: str, path: str, scope: str, endpoint: Endpoint, operation: Operation | None = None) -> None:
        """Serves `method` on `path` for keys that have `scope`.

        A parameter of the query that `operation` does not name is refused, not ignored.
        """
        route = Route(method, path, scope, endpoint, operation)
        self.routes.append(route)
        # The path is looked up without the method: else `/imports` would be an id for a method that it does not have.
        if path not in self._by_path:
            self._map.add(Rule(path, endpoint=path))
        self._by_path.setdefault(path, {})[method] = route

    def __call__(self, event: Event, context: object = None) -> dict[str, Any]:
        headers = {name.lower(): value for name, value in event.headers.items()}
        call_id = str(getattr(context, "call_id", None) or "")
        try:
            response = self._answer(event, headers)
        except Problem as problem:
            response = self._problem(problem, call_id)
        except InvalidKey as error:
            response = self._problem(
                Problem(
                    401,
                    "auth.invalid" if headers.get("authorization") else "auth.missing",
                    str(error),
                    headers={"WWW-Authenticate": 'Bearer realm="mailroom"'},
                ),
                call_id,
            )
        except Refusal as refusal:
            response = self._problem(problem_of(refusal), call_id)
        except Unavailable as error:
            response = self._problem(_unavailable(error), call_id)
        except MissingSecret as error:
            response = self._problem(_not_set_up("a secret is missing: the log names it", error), call_id)
        except NotSetUp as error:
            response = self._problem(_not_set_up(NOT_SET_UP, error), call_id)
        except PyMongoError as error:
            if mongo.lacks_index(error):
                response = self._problem(_not_set_up(NOT_SET_UP, error), call_id)
            elif mongo.is_transient(error):
                response = self._problem(_unavailable(error), call_id)
            else:
                raise
        more = self._policy.cors.headers(headers) | _request_id(headers, call_id)
        return render(replace(response, headers={**response.headers, **more}), event.method, headers)

    def _answer(self, event: Event, headers: Mapping[str, str]) -> Response:
        if self._policy.cors.is_preflight(event.method, headers):
            return Response(None, 204, self._policy.cors.preflight_headers())
        if event.path in self._public and event.method in ("GET", "HEAD"):
            return self._public[event.path]()
        # First the key: a stranger learns nothing, not even which paths there are.
        caller = self._authenticate(headers.get("authorization", ""))
        if wait := self._policy.rate_limit.take(caller.id):
            raise Problem(429, "rate.limited", "this key calls too often", headers={"Retry-After": str(wait)})
        methods, parameters = self._match(event.path)
        if event.method == "OPTIONS":
            return Response(None, 204, {"Allow": _listed(methods)})
        route = methods.get("GET" if event.method == "HEAD" else event.method)
        if route is None:
            allowed = _listed(methods)
            raise Problem(405, "method.not_allowed", f"allowed here: {allowed}", headers={"Allow": allowed})
        request = Request(
            event.method, event.path, _query(event.query), headers, event.body or b"", parameters, caller
        )  # fmt: skip
        return _run(route, request) if event.method in _SAFE else _audited(route, request)

    def _match(self, path: str) -> tuple[Mapping[str, Route], Mapping[str, str]]:
        """The routes of a path by method, and what its variable parts hold."""
        try:
            rule, parameters = self._map.bind("function").match(path or "/")
        except (NotFound, RequestRedirect):
            raise Problem(404, "path.unknown", "there is nothing at this path") from None
        return self._by_path[rule], parameters

    def _problem(self, problem: Problem, call_id: str) -> Response:
        document = problem.document() | ({"callId": call_id} if call_id else {}) | self._with_problem(problem)
        return Response(document, problem.status, problem.headers, "application/problem+json")


def _run(route: Route, request: Request) -> Response:
    if route.scope not in request.caller.scopes:
        raise Problem(403, "auth.scope", f"this key lacks the scope {route.scope}")
    if route.operation is not None:
        for name in request.query.keys() - route.operation.query_names():
            raise Problem(422, "query.unknown", f"unknown parameter {name}", field=name)
    return route.endpoint(request)


def _audited(route: Route, request: Request) -> Response:
    """Runs a write, and logs who asked for it, for what, and how it ended: never what was sent."""
    status, written = 500, request.parameters.get("id")
    try:
        response = _run(route, request)
        status = response.status
        if written is None:
            written = response.body.get("id") if isinstance(response.body, dict) else getattr(response.body, "id", None)
    except Exception as error:
        status = _status_of(error)
        raise
    else:
        return response
    finally:
        who = {"keyId": request.caller.id or request.caller.name, "action": f"{route.method} {route.path}"}
        audit.info("write", extra=who | {"objectId": written, "status": status})


def _status_of(error: Exception) -> int:
    """The status of the answer that `Api` makes of it."""
    match error:
        case Problem():
            return error.status
        case Refusal():
            return problem_of(error).status
        case Unavailable() | MissingSecret() | NotSetUp():
            return 503
        case PyMongoError() if mongo.lacks_index(error) or mongo.is_transient(error):
            return 503
        case _:
            return 500


def _request_id(headers: Mapping[str, str], call_id: str) -> dict[str, str]:
    """The caller's own id comes back; without one, the id under which the logs know this call."""
    given = headers.get("x-request-id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else call_id
    return {"X-Request-Id": request_id} if request_id else {}


def _listed(methods: Mapping[str, Route]) -> str:
    return ", ".join(sorted({*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))


def _unavailable(error: Exception) -> Problem:
    log.warning("a server does not answer", exc_info=error)
    detail = str(error) if isinstance(error, Unavailable) else "MongoDB does not answer"
    return Problem(503, "service.unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _not_set_up(detail: str, error: Exception) -> Problem:
    log.error(detail, exc_info=error)
    return Problem(503, "service.not_set_up", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


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
        if any("\ud800" <= character <= "\udfff" for character in name + value):
            raise Problem(422, "query.invalid", "a parameter is not valid Unicode")
        parameters[name] = value
    return parameters


def _field(path: str, message: str) -> str | None:
    """The field in msgspec's words: a path such as `.emailTo[0]`, or a name in back-quotes in the message."""
    named = message.split("`")[1] if "missing required field" in message or "unknown field" in message else ""
    path = path.strip("`").lstrip(".")
    return ".".join(part for part in (path, named) if part) or None
