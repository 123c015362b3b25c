"""Makes the Flask application of a function: keys, limits, CORS, errors and what every answer carries.

A request passes these steps:

    cross-origin preflight -> key -> rate limit -> route -> scope, query names -> view -> tags, gzip, ids, audit line

The key comes before the route: a stranger does not learn which paths exist. A call that needs no key is counted for
the caller's network address when it is refused, except where a key is optional. The calls of a session are counted for
the key it was started with.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_cors import CORS

from mailroom.platform.api_keys import Caller
from mailroom.platform.settings import Settings
from mailroom.web import documentation, representation
from mailroom.web.client_address import client_address
from mailroom.web.endpoints import Contract, Endpoint, KeyNeed, ObjectIdConverter, has_caller, path_of
from mailroom.web.problems import Problem, problem_of
from mailroom.web.rate_limit import RateLimit

log = logging.getLogger(__name__)
audit = logging.getLogger("audit")

Authenticate = Callable[[str], Caller]
ProblemMembers = Callable[[Problem], dict[str, Any]]

# Where the runtime looks for the route that its metrics name.
_ROUTE = "function.route"
_SAFE = ("GET", "HEAD", "OPTIONS")
_REFUSED = range(400, 500)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def create_app(
    contract: Contract,
    authenticate: Authenticate,
    settings: Settings,
    *,
    rate_limit: RateLimit | None = None,
    problem_members: ProblemMembers = lambda _: {},
) -> Flask:
    """An application without routes of its own, but `/docs` and `/openapi.json`, which are open to anybody.

    `authenticate` takes the header `Authorization` and raises `InvalidKey`. `problem_members` gives the members that
    problem documents of this API have beside those of RFC 9457.
    """
    app = Flask(contract.function, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = contract.most_body_bytes
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = ObjectIdConverter
    limit = rate_limit or RateLimit(settings.rate_limit_per_minute)

    @app.before_request
    def admit() -> Response | None:
        if _is_preflight(origins):
            return Response(status=204)
        if _is_open():
            if _is_counted():
                limit.check(client_address())
        elif request.endpoint not in documentation.PUBLIC:
            g.caller = authenticate(request.headers.get("Authorization", ""))
            limit.take(g.caller.id)
        return _methods() if request.method == "OPTIONS" and request.url_rule else None

    @app.errorhandler(Exception)
    def refuse(error: Exception) -> Response:
        problem = problem_of(error)
        if problem is None:
            raise error  # Flask logs it and answers 500
        return representation.problem(problem, problem_members(problem))

    @app.after_request
    def finish(response: Response) -> Response:
        if request.url_rule is not None:
            request.environ[_ROUTE] = path_of(request.url_rule)
        _audit(response)
        if _is_open() and _is_counted() and response.status_code in _REFUSED:
            limit.count(client_address())
        if request_id := _request_id():
            response.headers["X-Request-Id"] = request_id
        if origins:
            response.vary.add("Origin")
        return representation.finish(response)

    # After `finish`: Flask runs these hooks in reverse, and CORS extends the header Vary.
    origins = _cors(app, settings.cors_origins)
    app.register_blueprint(documentation.blueprint(contract))
    return app


def _cors(app: Flask, setting: str) -> list[str]:
    """Lets pages of the origins in CORS_ORIGINS call the API; the origins. Callers show a key, never a cookie."""
    origins = [origin.strip().rstrip("/") for origin in setting.split(",") if origin.strip()]
    if origins:
        CORS(
            app,
            origins=origins,
            send_wildcard=True,
            always_send=False,
            methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
            allow_headers=[
                *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"),
                *("Prefer", "X-Request-Id"),
            ],
            expose_headers=[
                *("ETag", "Idempotency-Replayed", "Preference-Applied", "Retry-After", "X-Call-Id", "X-Request-Id"),
            ],
            max_age=600,
        )
    return origins


def _is_preflight(origins: list[str]) -> bool:
    """Whether a browser asks, without the key, if a page of an allowed origin may call."""
    allowed = "*" in origins or request.headers.get("Origin") in origins
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers and allowed


def _endpoint() -> Endpoint | None:
    """The endpoint of this call; None for a path or a method that no route has, and for the documentation."""
    view: Any = current_app.view_functions.get(request.endpoint or "")
    return view if isinstance(view, Endpoint) else None


def _is_open() -> bool:
    """Whether this call needs no key."""
    endpoint = _endpoint()
    if endpoint is None:
        return False
    without = request.method != "OPTIONS" and "Authorization" not in request.headers
    return endpoint.key is KeyNeed.NONE or (endpoint.key is KeyNeed.OPTIONAL and without)


def _is_counted() -> bool:
    """Whether refused calls without a key count for the caller's address.

    Not where a key is optional. There the caller is the console, on behalf of everybody who signs in: one stranger with
    wrong codes would keep all others out. A code has 256 random bits, as a key has, and wrong keys are not counted.
    """
    endpoint = _endpoint()
    return endpoint is not None and endpoint.key is KeyNeed.NONE


def _methods() -> Response:
    allowed = current_app.make_default_options_response().headers["Allow"]
    return Response(status=204, headers={"Allow": ", ".join(sorted(allowed.split(", ")))})


def _request_id() -> str:
    """The caller's own id; without one, the id under which the logs know this call."""
    given = request.headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else request.headers.get("X-Call-Id", "")


def _audit(response: Response) -> None:
    """Logs who asked for a write, for what, and how it ended: never what was sent."""
    endpoint = _endpoint()
    if request.method in _SAFE or endpoint is None or request.url_rule is None:
        return
    if not has_caller() and not _is_open():
        return  # no valid key
    written = (request.view_args or {}).get("id") or g.get("written_id")
    line = {
        "keyId": g.caller.id if has_caller() else None,
        **({"sessionId": g.caller.session} if has_caller() and g.caller.session else {}),
        "action": f"{request.method} {path_of(request.url_rule)}",
        "objectId": None if written is None else str(written),
        "status": response.status_code,
    }
    audit.info("write", extra=line)
