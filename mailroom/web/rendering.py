"""From an answer to the bytes that are sent: JSON, entity tags, 304, gzip, HEAD."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from werkzeug.http import parse_accept_header, parse_etags

# Below this, gzip saves less than its own headers and the time cost.
_LEAST_COMPRESSED_BYTES = 1024
_GZIP_LEVEL = 3  # takes less than half as long as 6, for a tenth more bytes
_COMPRESSED = "-gzip"  # the two codings of one answer are two representations, so their tags differ (RFC 9110, 8.8.3)
_NO_CONTENT = (204, 304)


class Response(msgspec.Struct, frozen=True):
    """An answer. `body` is sent as JSON, unless it is bytes or an iterator of bytes, which `content_type` describes."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    content_type: str = "application/json"


def entity_tag(body: Any) -> str:
    """The strong entity tag of `body` as JSON, with its quotation marks."""
    return _tag(_encode(body))


def precondition_holds(if_match: str, tag: str) -> bool:
    """Whether the header `If-Match` names `tag`, in either coding, or is `*`."""
    tags, opaque = parse_etags(if_match), tag.strip('"')
    return tags.star_tag or tags.is_strong(opaque) or tags.is_strong(opaque + _COMPRESSED)


def render(response: Response, method: str, request_headers: Mapping[str, str]) -> dict[str, Any]:
    """The answer in the template's form. That of HEAD has its body too: the template counts it and leaves it out."""
    headers = dict(response.headers)
    status, body = response.status, b""
    if status in _NO_CONTENT:
        headers.setdefault("Cache-Control", "no-store")
        return {"statusCode": status, "body": b"", "headers": headers}
    headers["Content-Type"] = response.content_type
    compress = parse_accept_header(request_headers.get("accept-encoding", "")).quality("gzip") > 0
    _add_vary(headers, "Accept-Encoding")
    if isinstance(response.body, Iterator):
        return {"statusCode": status, "body": _stream(response.body, method, compress, headers), "headers": headers}

    body = _encode(response.body)
    compress = compress and len(body) >= _LEAST_COMPRESSED_BYTES
    if status == 200 and method in ("GET", "HEAD"):
        tag = _tag(body)
        headers["ETag"] = tag[:-1] + _COMPRESSED + '"' if compress else tag
        # To be kept by the caller alone, and asked for again each time: the key may have been revoked.
        headers.setdefault("Cache-Control", "private, no-cache")
        if _is_known(request_headers.get("if-none-match", ""), tag):
            del headers["Content-Type"]
            return {"statusCode": 304, "body": b"", "headers": headers}
    headers.setdefault("Cache-Control", "no-store")
    if compress:
        body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return {"statusCode": status, "body": body, "headers": headers}


def _stream(chunks: Iterator[bytes], method: str, compress: bool, headers: dict[str, str]) -> Any:
    headers.setdefault("Cache-Control", "no-store")
    if compress:
        headers["Content-Encoding"] = "gzip"
    if method == "HEAD":
        getattr(chunks, "close", lambda: None)()
        return iter(())
    return _compressed(chunks) if compress else chunks


def _compressed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=31)
    try:
        for chunk in chunks:
            if data := compressor.compress(chunk):
                yield data
        yield compressor.flush()
    finally:
        getattr(chunks, "close", lambda: None)()


def _encode(body: Any) -> bytes:
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


def _tag(body: bytes) -> str:
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def _is_known(if_none_match: str, tag: str) -> bool:
    tags, opaque = parse_etags(if_none_match), tag.strip('"')
    return tags.contains_weak(opaque) or tags.contains_weak(opaque + _COMPRESSED)


def _add_vary(headers: dict[str, str], name: str) -> None:
    headers["Vary"] = f"{headers['Vary']}, {name}" if "Vary" in headers else name
