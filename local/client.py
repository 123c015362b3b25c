"""A user of the running stack: uploads files, calls the two APIs, reads the inbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio

BUCKET = "invoices"
_POLL_SECONDS = 0.1


class DemoError(Exception):
    """Something did not come out as it should. The message says what."""


class Client:
    """Talks to the stack that `info` (the content of local.json) describes, as anybody with its key could."""

    def __init__(self, info: dict[str, Any]) -> None:
        self._info = info
        self._http = urllib3.PoolManager(timeout=30, retries=False)
        minio = info["minio"]
        url = urlsplit(minio["endpoint"])
        self._minio = Minio(url.netloc, minio["accessKey"], minio["secretKey"], secure=url.scheme == "https")

    def upload(self, key: str, body: bytes) -> None:
        self._minio.put_object(BUCKET, key, BytesIO(body), len(body), content_type="text/csv")

    def download(self, bucket: str, key: str) -> str:
        response = self._minio.get_object(bucket, key)
        try:
            return response.read().decode("utf-8-sig")  # a rejects file begins with a byte order mark, for Excel
        finally:
            response.close()
            response.release_conn()

    def get(self, path: str, **query: str) -> Any:
        """A call of a function's API, such as `invoices/imports`. Raises DemoError when it is refused."""
        return self._call("GET", path, fields=query)

    def post(self, path: str, body: Any) -> Any:
        return self._call("POST", path, json=body)

    def messages(self) -> list[dict[str, Any]]:
        """The inbox, newest first."""
        found: list[dict[str, Any]] = self._http.request("GET", f"{self._info['inbox']}/messages").json()
        return found

    def message(self, message_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._http.request("GET", f"{self._info['inbox']}/messages/{message_id}").json()
        return found

    def imports(self, seconds: float) -> Iterator[list[dict[str, Any]]]:
        """The imports, oldest first, again and again until `seconds` are over; the caller stops when it is content."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            yield self.get("invoices/imports")["items"][::-1]
            time.sleep(_POLL_SECONDS)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._info['apiKey']}"}
        response = self._http.request(method, f"{self._info['gateway']}/function/{path}", headers=headers, **arguments)
        if response.status >= 400:
            raise DemoError(f"{method} /function/{path} answered {response.status}: {response.data.decode()}")
        return response.json()


def wait_for(what: str, find: Callable[[], Any], seconds: float = 10.0) -> Any:
    """What `find` returns once that is true. Raises DemoError naming `what` when it does not come."""
    end = time.monotonic() + seconds
    while not (found := find()):
        if time.monotonic() > end:
            raise DemoError(f"{what} did not come within {seconds:g} s")
        time.sleep(_POLL_SECONDS)
    return found
