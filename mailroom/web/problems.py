"""Refusals, as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from mailroom.errors import Busy, Conflict, Invalid, MailroomError, NotFound, Outdated, Refusal

# Python's phrases are those of older standards.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


_STATUSES: dict[type[Refusal], int] = {Invalid: 422, NotFound: 404, Conflict: 409, Outdated: 412, Busy: 503}


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

    def document(self) -> dict[str, Any]:
        """The members that every problem has, and `field` where there is one."""
        title = _TITLES.get(self.status) or HTTPStatus(self.status).phrase
        document = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        return document | {"code": self.code} | ({"field": self.field} if self.field is not None else {})


def problem_of(refusal: Refusal) -> Problem:
    """The answer to a request that the domain refused."""
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    return Problem(_STATUSES[type(refusal)], refusal.code, refusal.message, refusal.field, headers)
