"""Errors of the runtime itself, as `application/problem+json` (RFC 9457)."""

import json
from http import HTTPStatus

CONTENT_TYPE = "application/problem+json"


def document(status: HTTPStatus, code: str, detail: str, call_id: str | None = None) -> bytes:
    """A problem with `code` for programs and `detail` for people; neither may hold anything of the inside."""
    fields = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, "code": code}
    return json.dumps(fields | ({"callId": call_id} if call_id else {})).encode()
