"""A client of the two APIs. Every call is made with the token of the person who looks at the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

import msgspec
import urllib3

from mailroom.errors import MailroomError

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 45.0  # less than the function may take, more than an export or a preview takes
_POOL_CONNECTIONS = 16

NO_ANSWER = 0
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY = 401, 403, 404, 429


class ApiError(MailroomError):
    """An API refused a call, or did not answer (`status` 0).

    `detail` is for people, `code` for programs. `fields` has the message for each field at fault.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        fields: Mapping[str, str] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.fields, self.retry_after = dict(fields or {}), retry_after

    @property
    def is_outage(self) -> bool:
        """Whether the API could not answer. Nothing was decided: the same call may succeed later."""
        return self.status == NO_ANSWER or self.status >= 500

    @property
    def problems(self) -> dict[str, str]:
        """The message for each field at fault. A refusal of no field has the empty name."""
        return self.fields or {"": self.detail}

    @property
    def is_correctable(self) -> bool:
        """Whether the person can correct what they gave, so that the form is shown again with the reason.

        What a key may not do is correctable if a field is at fault: another sender, or another scope of a new key.
        """
        if self.status == FORBIDDEN:
            return bool(self.fields)
        return 400 <= self.status < 500 and self.status not in (UNAUTHORIZED, TOO_MANY)


class ApiAnswer(msgspec.Struct, frozen=True):
    """An answer with a status below 400."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    def json(self) -> Any:
        """The JSON, or None without content. Raises `ApiError` for anything else: a proxy answered, not the API."""
        try:
            return msgspec.json.decode(self.data) if self.data else None
        except msgspec.DecodeError as error:
            raise _no_answer() from error


class Api:
    """The APIs behind one gateway. Threads share it: its connections are kept and used again."""

    def __init__(self, url: str, *, read_seconds: float = _READ_SECONDS) -> None:
        self._url = url.rstrip("/")
        self._pool = urllib3.PoolManager(
            maxsize=_POOL_CONNECTIONS,
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=read_seconds),
            # A call that was sent is not repeated here: only its caller knows whether that is safe.
            retries=urllib3.Retry(total=None, connect=1, read=0, redirect=0, status=0, other=0),
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        query: Mapping[str, object] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str = "",
    ) -> Any:
        """The JSON of the answer, or None without content. `path` is such as `invoices/imports`.

        A value of the query that is None or empty is left out. Raises `ApiError`.
        """
        body = None if json is None else msgspec.json.encode(json)
        return self.answer(
            method, path, token=token, query=query, body=body, headers=headers, idempotency_key=idempotency_key
        ).json()

    def answer(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        query: Mapping[str, object] | None = None,
        body: bytes | BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str = "",
    ) -> ApiAnswer:
        """The whole answer, for its headers or for a body that is not JSON. Raises `ApiError`."""
        response = self._send(method, path, token, query, body, headers, idempotency_key, stream=False)
        if response.status >= 400:
            raise _error(response)
        return ApiAnswer(response.status, response.headers, response.data)

    def stream(self, path: str, *, token: str, query: Mapping[str, object] | None = None) -> urllib3.BaseHTTPResponse:
        """The answer to a GET whose body is still to be read: an export. The caller closes it. Raises `ApiError`."""
        response = self._send("GET", path, token, query, None, None, "", stream=True)
        if response.status < 400:
            return response
        try:
            response.read(cache_content=True)
        except urllib3.exceptions.HTTPError as error:
            raise _no_answer() from error
        raise _error(response)

    def _send(
        self,
        method: str,
        path: str,
        token: str,
        query: Mapping[str, object] | None,
        body: bytes | BinaryIO | None,
        headers: Mapping[str, str] | None,
        idempotency_key: str,
        *,
        stream: bool,
    ) -> urllib3.BaseHTTPResponse:
        if not token.isascii() or not token.isprintable():
            raise ApiError(UNAUTHORIZED, "auth.invalid", "this is no token of the API")
        sent = {"Accept-Encoding": "gzip"}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if idempotency_key:
            sent["Idempotency-Key"] = idempotency_key
        if isinstance(body, bytes):
            sent["Content-Type"] = "application/json"
        url = self._url_of(path, query)
        try:
            return self._pool.request(
                method, url, body=body, headers=sent | dict(headers or {}), preload_content=not stream, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise _no_answer() from error

    def _url_of(self, path: str, query: Mapping[str, object] | None) -> str:
        # `suppressions/../templates/x` would be the path of a template.
        if not {".", ".."}.isdisjoint(path.split("/")):
            raise ApiError(NOT_FOUND, "path.unknown", "there is nothing at this path")
        given = {name: str(value) for name, value in (query or {}).items() if value is not None and value != ""}
        return f"{self._url}/function/{quote(path)}" + (f"?{urlencode(given)}" if given else "")


def _no_answer() -> ApiError:
    return ApiError(NO_ANSWER, "api.no_answer", "the function does not answer")


def _error(response: urllib3.BaseHTTPResponse) -> ApiError:
    """The problem document (RFC 9457) of the answer, or what can be said without one."""
    try:
        document = msgspec.json.decode(response.data)
    except msgspec.DecodeError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    detail = str(document.get("detail") or response.reason or response.status)
    fields = {str(document["field"]): detail} if document.get("field") else {}
    for each in document.get("errors") or ():
        if isinstance(each, dict) and each.get("field"):
            fields.setdefault(str(each["field"]), str(each.get("message") or each.get("detail") or detail))
    retry_after = response.headers.get("Retry-After", "")
    return ApiError(
        response.status,
        str(document.get("code") or "api.refused"),
        detail,
        fields,
        int(retry_after) if retry_after.isdecimal() else None,
    )
