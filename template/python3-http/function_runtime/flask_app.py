"""From what a handler returns to an HTTP response."""

import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from werkzeug import Response
from werkzeug.http import http_date

ENVELOPE = frozenset({"statusCode", "body", "headers"})
HTML = "text/html; charset=utf-8"
JSON = "application/json"


class Stream:
    """An iterator whose first item is already taken, so that an error before it can still be a 500."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._source = items
        try:
            first = list(itertools.islice(items, 1))
        except BaseException:
            self.close()
            raise
        self._items = itertools.chain(first, items)

    def __iter__(self) -> Iterator[bytes | str]:
        for item in self._items:
            yield item if isinstance(item, str) else bytes(item)

    def close(self) -> None:
        """Tell the source that nobody listens any more; a generator runs its `finally`."""
        close = getattr(self._source, "close", None)
        if close is not None:
            close()


def to_response(result: Any) -> Response:
    """The response a handler's result means. Raises TypeError or ValueError where it means none.

    A dict is an envelope when it has `statusCode` or nothing but `statusCode`, `body` and `headers`; otherwise it is
    itself the body. A tuple is (body, status), (body, headers) or (body, status, headers).
    """
    if isinstance(result, Response):
        return result
    if isinstance(result, dict) and result and ("statusCode" in result or result.keys() <= ENVELOPE):
        return _response(result.get("body"), result.get("statusCode", 200), result.get("headers"))
    if isinstance(result, tuple):
        return _response(*_parts(result))
    return _response(result, 200, None)


def _parts(result: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    match result:
        case (body, dict() | list() as headers):
            return body, 200, headers
        case (body, status):
            return body, status, None
        case (body, status, headers):
            return body, status, headers
    raise TypeError("a tuple is (body, status), (body, headers) or (body, status, headers)")


def _response(body: Any, status: Any, headers: Any) -> Response:
    if not 200 <= int(status) <= 599:
        raise ValueError(f"{status} is no status of an answer")
    if isinstance(body, Response):
        body.status_code = int(status)
        body.headers.extend(_pairs(headers))
        return body
    content, kind = _content(body)
    pairs = _pairs(headers)
    given = any(name.lower() == "content-type" for name, _ in pairs)
    return Response(content, int(status), pairs, content_type=None if given else kind)


def _content(body: Any) -> tuple[Any, str]:
    """The body for Werkzeug, and its content type: for text HTML, as in Flask and OpenFaaS's own template."""
    match body:
        case None:
            return b"", HTML
        case str():
            return body, HTML
        case bytes() | bytearray() | memoryview():
            return bytes(body), "application/octet-stream"
        case Iterator():
            return Stream(body), "application/octet-stream"
        case _:
            return json.dumps(body, default=_as_json, ensure_ascii=False, allow_nan=False, separators=(",", ":")), JSON


def _as_json(value: Any) -> Any:
    """What JSON has no type for, as `flask.jsonify` writes it."""
    match value:
        case date():
            return http_date(value)
        case Decimal() | UUID():
            return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "__html__"):
        return str(value.__html__())
    raise TypeError(f"a {type(value).__name__} is nothing that JSON can say")


def _pairs(headers: Mapping[str, Any] | Iterable[tuple[str, Any]] | None) -> list[tuple[str, str]]:
    items = headers.items() if isinstance(headers, Mapping) else headers or []
    return [(str(name), str(value)) for name, value in items]
