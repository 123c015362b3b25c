"""Refusals, as `application/problem+json` (RFC 9457): the one place where an error becomes an HTTP status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pymongo.errors import PyMongoError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from mailroom import errors
from mailroom.platform import mongo
from mailroom.platform.api_keys import InvalidKey

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
NOT_SET_UP = "the database is not set up: run `python -m mailroom setup`"

_STATUSES: dict[type[errors.Refusal], int] = {
    errors.Invalid: 422,
    errors.TooLarge: 413,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Outdated: 412,
    errors.Busy: 503,
}

# Python's phrases are those of older standards.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


class Problem(errors.MailroomError):
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

    def document(self) -> dict[str, Any]:
        """The members that every problem has, and `field` where there is one."""
        title = _TITLES.get(self.status) or HTTPStatus(self.status).phrase
        document = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        return document | {"code": self.code} | ({"field": self.field} if self.field is not None else {})


def problem_of(error: Exception) -> Problem | None:
    """The answer that `error` means; None for a mistake of ours, which is answered 500. Logs what an operator mends."""
    match error:
        case Problem():
            return error
        case InvalidKey():
            return unauthorized(error.code, error.message)
        case errors.Refusal():
            retry = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
            return Problem(_STATUSES[type(error)], error.code, error.message, error.field, retry)
        case errors.Unavailable():
            return _unavailable(str(error), error)
        case errors.MissingSecret():
            return _not_set_up("a secret is missing: the log names it", error)
        case errors.NotSetUp():
            return _not_set_up(NOT_SET_UP, error)
        case PyMongoError() if mongo.lacks_index(error):
            return _not_set_up(NOT_SET_UP, error)
        case PyMongoError() if mongo.is_transient(error):
            return _unavailable("MongoDB does not answer", error)
        case HTTPException():
            return _of_framework(error)
        case _:
            return None


def unauthorized(code: str, detail: str, realm: str = "mailroom") -> Problem:
    """The answer to a caller without a valid key or token."""
    return Problem(401, code, detail, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})


def _of_framework(error: HTTPException) -> Problem:
    match error:
        case MethodNotAllowed():
            allowed = ", ".join(sorted({*(error.valid_methods or ()), "OPTIONS"}))
            return Problem(405, "method.not_allowed", f"allowed here: {allowed}", headers={"Allow": allowed})
        case _ if error.code == HTTPStatus.NOT_FOUND:
            return Problem(404, "path.unknown", "there is nothing at this path")
        case _ if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return Problem(413, "body.too_large", "the body is longer than this call takes")
        case _ if error.code == HTTPStatus.INTERNAL_SERVER_ERROR:
            return Problem(500, "internal", "The function failed. Its log has more under this call id.")
        case _:
            return Problem(error.code or 500, "request.invalid", error.description or error.name)


def _unavailable(detail: str, error: Exception) -> Problem:
    log.warning("a server does not answer", exc_info=error)
    return Problem(503, "service.unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _not_set_up(detail: str, error: Exception) -> Problem:
    log.error(detail, exc_info=error)
    return Problem(503, "service.not_set_up", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
