"""One call, from the WSGI request to the last byte handed to the server."""

import logging
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from werkzeug import Request, Response
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.exceptions import HTTPException

from function_runtime import problems
from function_runtime.drain import Traffic
from function_runtime.flask_app import to_response
from function_runtime.function import Handler
from function_runtime.logs import call_id
from function_runtime.settings import hostname
from function_runtime.wsgi import Application, Environ, StartResponse

log = logging.getLogger("function")
access = logging.getLogger("access")

CALL_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True)
class Event:
    """What was asked. `headers` ignore case; `query` holds the first of repeated values, `getlist` gives all."""

    body: bytes
    headers: Headers
    method: str
    query: MultiDict[str, str]
    path: str


@dataclass(frozen=True)
class Context:
    """Where it runs, and the id by which logs and answer name this call."""

    hostname: str
    call_id: str


class Call:
    """The body of one answer as WSGI iterates it; closing it, which the server always does, ends the call."""

    def __init__(self, environ: Environ, traffic: Traffic) -> None:
        self._environ = environ
        self._traffic = traffic
        self._started = time.monotonic()
        self._status = 0
        self._complete = False
        self._body: Iterable[bytes] = ()
        self.id = _call_id(environ)
        # No need to set it back: the thread sets it anew for the next call.
        call_id.set(self.id)
        traffic.enter()

    def run(self, application: Application, start_response: StartResponse) -> "Call":
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self._status = int(status[:3])
            named = [(name, value) for name, value in headers if name.lower() != "x-call-id"]
            return start_response(status, [*named, ("X-Call-Id", self.id)], exc_info)

        try:
            self._body = application(self._environ, start)
        except BaseException:
            self.close()
            raise
        return self

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except Exception:
            log.exception("the answer's stream failed")
            raise  # the server cuts the connection, so that the caller sees that the rest is missing
        self._complete = True

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        except Exception:
            log.exception("closing the answer's stream failed")
        finally:
            self._traffic.leave()
            access.info("call", extra=self._fields())

    def _fields(self) -> dict[str, Any]:
        """For the access line. The query stays out: people put secrets there."""
        fields = {
            "method": self._environ["REQUEST_METHOD"],
            "path": self._environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"),
            "status": self._status or 500,
            "durationMs": round((time.monotonic() - self._started) * 1000, 1),
        }
        return fields if self._complete else fields | {"aborted": True}


def application(handler: Handler, max_body_bytes: int, traffic: Traffic, accepting: Callable[[], bool]) -> Application:
    """The WSGI application: health, readiness, and the function on every other path.

    Readiness is refused as soon as `accepting()` is false; calls are served until the server stops.
    """
    function = _limited(_function(handler), max_body_bytes)

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/_/health":
                return _plain(HTTPStatus.OK, start_response)
            case "/_/ready":
                ready = accepting() and _is_ready(handler)
                return _plain(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, start_response)
            case _:
                return Call(environ, traffic).run(function, start_response)

    return serve


def _function(handler: Handler) -> Application:
    """The function alone. A handler that has loaded Flask gets its calls in a Flask application."""
    if handler.is_application:

        def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            environ["HTTP_X_CALL_ID"] = call_id.get()
            return cast(Application, handler.handle)(environ, start_response)

        return serve

    def call(request: Request) -> Response:
        try:
            return to_response(handler.handle(_event(request), Context(hostname(), call_id.get() or "")))
        except HTTPException:
            raise  # abort(): an answer, not a failure
        except BaseException:  # sys.exit() too: it would end the thread and leave the caller waiting
            log.exception("the handler failed")
            content = problems.document(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "internal",
                "The function failed. Its log has more under this call id.",
                call_id.get(),
            )
            return Response(content, HTTPStatus.INTERNAL_SERVER_ERROR, content_type=problems.CONTENT_TYPE)

    if "flask" in sys.modules:
        from function_runtime import in_flask

        return in_flask.application(call)
    return cast(Application, Request.application(call))


def _event(request: Request) -> Event:
    return Event(request.get_data(), request.headers, request.method, request.args, request.path)


def _limited(function: Application, max_body_bytes: int) -> Application:
    """`function`, with longer bodies refused. The server has counted chunked ones and set their length."""

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if int(environ.get("CONTENT_LENGTH") or 0) <= max_body_bytes:
            return function(environ, start_response)
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        detail = f"The body is longer than {max_body_bytes} bytes."
        content = problems.document(status, "body.too_large", detail, call_id.get())
        headers = [("Content-Type", problems.CONTENT_TYPE), ("Content-Length", str(len(content)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [content]

    return serve


def _is_ready(handler: Handler) -> bool:
    try:
        return bool(handler.ready())
    except Exception:
        log.warning("not ready", exc_info=True)
        return False


def _plain(status: HTTPStatus, start_response: StartResponse) -> list[bytes]:
    content = status.phrase.encode()
    start_response(
        f"{status.value} {status.phrase}", [("Content-Type", "text/plain"), ("Content-Length", str(len(content)))]
    )
    return [content]


def _call_id(environ: Environ) -> str:
    """The gateway's id, else the caller's, else a new one; one that is not of the form could forge log fields."""
    for name in ("HTTP_X_CALL_ID", "HTTP_X_REQUEST_ID"):
        if CALL_ID.fullmatch(environ.get(name, "")):
            return str(environ[name])
    return uuid.uuid4().hex
