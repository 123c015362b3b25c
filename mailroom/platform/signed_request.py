"""A signed request to the object store, for what its client has no public method for.

Only this file uses a private method of minio-py, whose version is locked. With it, a correction is never written over
another one, and `EVENTS=poll` goes on from the server's own tokens: `test_write_once.py` and `test_polling.py` fail if
the method changes. A presigned URL, which is public, always names an object and signs no header.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mailroom.platform.objects import ObjectStore

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse


def signed_request(
    store: ObjectStore,
    method: str,
    bucket: str,
    key: str | None = None,
    *,
    query: Mapping[str, str | list[str] | tuple[str]] | None = None,
    headers: Mapping[str, str | list[str] | tuple[str]] | None = None,
    body: bytes | None = None,
) -> BaseHTTPResponse:
    """The store's answer, which is read. Errors are the client's: see `translated_errors`."""
    query_params, given = dict(query or {}), dict(headers or {})
    return store.client._execute(method, bucket, key, body=body, headers=given, query_params=query_params)
