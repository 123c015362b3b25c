"""From what a handler returns to an HTTP response."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flask import Response
from flask.json.provider import DefaultJSONProvider

ENVELOPE = frozenset({"statusCode", "body", "headers"})
JSON = "application/json"


class Json(DefaultJSONProvider):
    """JSON as handlers mean it: keys in their order, text as it is."""

    sort_keys = False
    ensure_ascii = False


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


def to_response(result: Any, json: DefaultJSONProvider) -> Response:
    """The response a handler's result means. Raises TypeError or ValueError where it means none.

    A dict is an envelope when it has `statusCode` or nothing but `statusCode`, `body` and `headers`; otherwise it is
    itself the body. A tuple is (body, status), (body, headers) or (body, status, headers).
    """
    if isinstance(result, Response):
        return result
    if isinstance(result, dict) and result and ("statusCode" in result or result.keys() <= ENVELOPE):
        return _response(result.get("body"), result.get("statusCode", 200), result.get("headers"), json)
    if isinstance(result, tuple):
        return _response(*_parts(result), json)
    return _response(result, 200, None, json)


def _parts(result: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    match result:
        case (body, dict() | list() as headers):
            return body, 200, headers
        case (body, status):
            return body, status, None
        case (body, status, headers):
            return body, status, headers
    raise TypeError("a tuple is (body, status), (body, headers) or (body, status, headers)")


def _response(body: Any, status: Any, headers: Any, json: DefaultJSONProvider) -> Response:
    if not 200 <= int(status) <= 599:
        raise ValueError(f"{status} is no status of an answer")
    if isinstance(body, Response):
        body.status_code = int(status)
        body.headers.extend(_pairs(headers))
        return body
    content, kind = _content(body, json)
    response = Response(content, int(status), _pairs(headers))
    if kind and not any(name.lower() == "content-type" for name, _ in _pairs(headers)):
        response.headers["Content-Type"] = kind
    return response


def _content(body: Any, json: DefaultJSONProvider) -> tuple[Any, str | None]:
    """The body for Flask, and its content type where Flask's own (HTML) would be wrong."""
    match body:
        case None:
            return b"", None
        case str():
            return body, None
        case bytes() | bytearray() | memoryview():
            return bytes(body), "application/octet-stream"
        case Iterator():
            return Stream(body), "application/octet-stream"
        case _:
            return json.dumps(body, allow_nan=False, separators=(",", ":")), JSON


def _pairs(headers: Mapping[str, Any] | Iterable[tuple[str, Any]] | None) -> list[tuple[str, str]]:
    items = headers.items() if isinstance(headers, Mapping) else headers or []
    return [(str(name), str(value)) for name, value in items]
