"""How answers are sent: JSON, problem documents, entity tags, 304, gzip."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
from flask import Response, g, request
from werkzeug.http import generate_etag, parse_etags

from mailroom.web.problems import Problem

# Below this, gzip saves less than its own headers and the time cost.
_LEAST_COMPRESSED_BYTES = 1024
_GZIP_LEVEL = 3  # takes less than half as long as 6, for a tenth more bytes
_COMPRESSED = "-gzip"  # the two codings of one answer are two representations, so their tags differ (RFC 9110, 8.8.3)


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`body` as JSON: a msgspec Struct, or what JSON has a form for."""
    g.written_id = body.get("id") if isinstance(body, dict) else getattr(body, "id", None)  # for the audit line
    return Response(msgspec.json.encode(body), status, headers, content_type="application/json")


def problem(of: Problem, members: dict[str, Any]) -> Response:
    """The problem document, with further `members`, and the id under which the logs know the call."""
    call_id = request.headers.get("X-Call-Id", "")
    document = of.document() | ({"callId": call_id} if call_id else {}) | members
    return Response(msgspec.json.encode(document), of.status, of.headers, content_type="application/problem+json")


def entity_tag(body: Any) -> str:
    """The strong entity tag of `body` as JSON, with its quotation marks."""
    return f'"{generate_etag(msgspec.json.encode(body))}"'


def precondition_holds(if_match: str, tag: str) -> bool:
    """Whether the header `If-Match` names `tag`, in either coding, or is `*`."""
    tags, opaque = parse_etags(if_match), tag.strip('"')
    return tags.star_tag or tags.is_strong(opaque) or tags.is_strong(opaque + _COMPRESSED)


def finish(response: Response) -> Response:
    """Adds what the answer's kind asks for: a tag, 304, gzip, and who may keep it."""
    if response.status_code in (204, 304):
        response.headers.pop("Content-Type", None)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
    response.vary.add("Accept-Encoding")
    compress = request.accept_encodings.quality("gzip") > 0
    if response.is_streamed:
        return _finish_stream(response, compress)
    compress = compress and len(response.get_data()) >= _LEAST_COMPRESSED_BYTES
    if response.status_code == 200 and request.method in ("GET", "HEAD"):
        tag = generate_etag(response.get_data())
        response.set_etag(tag + _COMPRESSED if compress else tag)
        # Kept by the caller alone, and asked for again each time: the key may have been revoked.
        response.headers.setdefault("Cache-Control", "private, no-cache")
        if _is_known(tag):
            del response.headers["Content-Type"]
            response.status_code = 304
            response.set_data(b"")
            return response
    response.headers.setdefault("Cache-Control", "no-store")
    if compress:
        response.set_data(gzip.compress(response.get_data(), _GZIP_LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _finish_stream(response: Response, compress: bool) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    if compress:
        response.headers["Content-Encoding"] = "gzip"
    if request.method == "HEAD":
        response.close()  # Werkzeug sends no body, and would leave the stream open
        response.response = iter(())
    elif compress:
        response.response = _compressed(iter(response.response))
    return response


def _compressed(chunks: Iterator[Any]) -> Iterator[bytes]:
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=31)
    try:
        for chunk in chunks:
            if data := compressor.compress(chunk):
                yield data
        yield compressor.flush()
    finally:
        getattr(chunks, "close", lambda: None)()


def _is_known(tag: str) -> bool:
    tags = request.if_none_match
    return tags.contains_weak(tag) or tags.contains_weak(tag + _COMPRESSED)
