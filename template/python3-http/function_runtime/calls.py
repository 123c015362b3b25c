"""One call, from the WSGI request to the last byte that is handed to Waitress."""

import itertools
import json
import logging
import re
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, Self
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from function_runtime.drain import Drain
from function_runtime.function import Function
from function_runtime.logs import call_id
from function_runtime.metrics import Calls, Series

log = logging.getLogger("function")
access = logging.getLogger("access")

CALL_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# Waitress takes an answer piece by piece, as its reader takes it, so that a stop loses little of one.
PIECE_BYTES = 64 << 10

# Under this name an app leaves the template of the route in the environ, for the metrics: `/imports/<id>`.
ROUTE = "function.route"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def application(function: Function, max_body_bytes: int, drain: Drain, counted: Calls) -> WSGIApplication:
    """Health, readiness, and the function on every other path.

    Readiness is refused as soon as a drain has begun. Calls are served until the server stops.
    """

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/_/health":
                return _plain(HTTPStatus.OK, start_response)
            case "/_/ready":
                ready = not drain.begun and _is_ready(function)
                return _plain(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, start_response)
            case _:
                return Call(environ, start_response, drain, counted).run(function.app, max_body_bytes)

    return serve


class Call:
    """The answer to one call, as Waitress iterates it. Waitress always closes it, and that ends the call."""

    def __init__(self, environ: WSGIEnvironment, start_response: StartResponse, drain: Drain, counted: Calls) -> None:
        self._environ = environ
        self._start_response = start_response
        self._drain = drain
        self._counted = counted
        self._started = time.monotonic()
        self._status = 0
        self._complete = False
        self._body: Iterable[bytes] = ()
        self._chunks: Iterator[bytes] = iter(())
        # The function finds the id in this header, whether the caller sent one or not.
        self.id = environ["HTTP_X_CALL_ID"] = _call_id(environ)
        # No need to set it back: the thread sets it anew for the next call.
        call_id.set(self.id)
        drain.enter()
        counted.began()

    def run(self, app: WSGIApplication, max_body_bytes: int) -> Self:
        """Call `app` until its answer begins. An exception up to then is a 500."""
        try:
            self._begin(app, max_body_bytes)
        except BaseException:
            self.close()
            raise
        return self

    def _begin(self, app: WSGIApplication, max_body_bytes: int) -> None:
        # Waitress has read the body. It has counted a chunked one, and set its length.
        if int(self._environ.get("CONTENT_LENGTH") or 0) > max_body_bytes:
            detail = f"The body is longer than {max_body_bytes} bytes."
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body.too_large", detail)
            return
        try:
            self._body = app(self._environ, self._start)
            chunks = filter(None, self._body)
            self._chunks = itertools.chain([next(chunks, b"")], chunks)
        except BaseException:  # sys.exit() too: it would end the thread and leave the caller waiting
            log.exception("the function failed")
            detail = "The function failed. Its log has more under this call id."
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail, sys.exc_info())

    def __iter__(self) -> Iterator[bytes]:
        # An exception ends the connection, so that the caller sees that the rest is missing. Waitress logs it.
        for chunk in self._chunks:
            for begin in range(0, len(chunk), PIECE_BYTES):
                yield bytes(chunk[begin : begin + PIECE_BYTES])
        self._complete = True

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        except Exception:
            log.exception("closing the answer's stream failed")
        finally:
            self._drain.leave()
            self._counted.ended(self._series(), time.monotonic() - self._started)
            access.info("call", extra=self._fields())

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self._status = int(status[:3])
        named = [(name, value) for name, value in headers if name.lower() != "x-call-id"]
        return self._start_response(status, [*named, ("X-Call-Id", self.id)], exc_info)

    def _refuse(self, status: HTTPStatus, code: str, detail: str, exc_info: Any = None) -> None:
        """Answer a problem document (RFC 9457). `detail` is for people and tells nothing of the inside."""
        problem = {"type": "about:blank", "title": status.phrase, "status": status.value}
        content = json.dumps(problem | {"detail": detail, "code": code, "callId": self.id}).encode()
        headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(content)))]
        self._start(f"{status.value} {status.phrase}", headers, exc_info)
        self._chunks = iter([content])

    def _series(self) -> Series:
        """The app may name the route. A stranger's method or path is not told: there are endlessly many."""
        method = self._environ["REQUEST_METHOD"]
        route = self._environ.get(ROUTE, "")
        return Series(method if method in METHODS else "other", route, self._status or 500)

    def _fields(self) -> dict[str, Any]:
        """For the access line. The query stays out: people put secrets there."""
        fields = {
            "method": self._environ["REQUEST_METHOD"],
            "path": self._environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"),
            "status": self._status or 500,
            "durationMs": round((time.monotonic() - self._started) * 1000, 1),
        }
        return fields if self._complete else fields | {"aborted": True}


def _is_ready(function: Function) -> bool:
    try:
        return bool(function.ready())
    except Exception:
        log.warning("not ready", exc_info=True)
        return False


def _plain(status: HTTPStatus, start_response: StartResponse) -> list[bytes]:
    content = status.phrase.encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(content)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [content]


def _call_id(environ: WSGIEnvironment) -> str:
    """The gateway's id, else the caller's, else a new one; one that is not of the form could forge log fields."""
    for name in ("HTTP_X_CALL_ID", "HTTP_X_REQUEST_ID"):
        if CALL_ID.fullmatch(environ.get(name, "")):
            return str(environ[name])
    return uuid.uuid4().hex
