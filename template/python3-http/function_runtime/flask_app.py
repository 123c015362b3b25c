"""`handle(event, context)` as a Flask application, as in OpenFaaS' own python3-http template."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response, json, make_response, request
from flask.json.provider import DefaultJSONProvider
from werkzeug import Response as AnyResponse
from werkzeug.datastructures import Headers, MultiDict

ENVELOPE = frozenset({"statusCode", "body", "headers"})


@dataclass(frozen=True)
class Event:
    """The request. `headers` ignore case; `query` holds the first of repeated values, `getlist` gives all."""

    body: bytes
    headers: Headers
    method: str
    query: MultiDict[str, str]
    path: str


@dataclass(frozen=True)
class Context:
    """The host of the function, and the id that logs and answer give this call."""

    hostname: str
    call_id: str


class _Json(DefaultJSONProvider):
    sort_keys = False
    ensure_ascii = False


def application(handle: Callable[[Event, Context], Any], folder: Path) -> Flask:
    """An application that gives `handle` every path and every method. Flask finds templates in `folder`."""
    app = Flask("function", static_folder=None, root_path=str(folder))
    app.json = _Json(app)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # calls.py logs them and answers 500
    hostname = os.environ.get("HOSTNAME", "localhost")

    # An answer from here ends a request before Flask looks for a route, which would normalize its path.
    @app.before_request
    def call() -> Response:
        event = Event(request.get_data(), request.headers, request.method, request.args, request.path)
        return response(handle(event, Context(hostname, request.headers["X-Call-Id"])))

    return app


def response(result: Any) -> Response:
    """The response that a handler's result means. Raises TypeError or ValueError for a result that means none.

    A dict is an envelope when it has `statusCode` or nothing but `statusCode`, `body` and `headers`; otherwise it is
    itself the body. A tuple is (body, status), (body, headers) or (body, status, headers).
    """
    if isinstance(result, dict) and result and ("statusCode" in result or result.keys() <= ENVELOPE):
        result = (result.get("body"), result.get("statusCode", 200), result.get("headers") or {})
    body, *rest = result if isinstance(result, tuple) else (result,)
    # As Headers, so that Flask keeps all values of a repeated name.
    made = make_response(_body(body), *(Headers(each) if isinstance(each, dict | list) else each for each in rest))
    if not 200 <= made.status_code <= 599:
        raise ValueError(f"{made.status_code} is not the status of an answer")
    return made


def _body(body: Any) -> str | AnyResponse:
    """The body for Flask. It sends text as HTML, as OpenFaaS' own template does."""
    match body:
        case None:
            return ""
        case str() | AnyResponse():
            return body
        case bytes() | bytearray() | memoryview():
            return AnyResponse(bytes(body), content_type="application/octet-stream")
        case Iterator():
            return AnyResponse(body, content_type="application/octet-stream")
    return AnyResponse(json.dumps(body, allow_nan=False, separators=(",", ":")), content_type="application/json")
