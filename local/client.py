"""A user of a deployment: uploads files, calls the two APIs, reads the inbox."""

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error, ServerError

BUCKET = "invoices"
CALL_SECONDS = 30.0
POLL_SECONDS = 0.1
RETRIES = urllib3.Retry(3, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504))


class ClientError(Exception):
    """A server refused a call, or an answer is wrong. The message says which."""


class NotReadyError(ClientError):
    """A server does not answer, or answers with a status of 500 or more. The same call may succeed later."""


class Client:
    """Talks to the deployment that `info` describes, in the form of local.json. Only the inbox needs its `inbox`."""

    def __init__(self, info: dict[str, Any]) -> None:
        self._info = info
        self._headers = {"Authorization": f"Bearer {info['apiKey']}"}
        self._http = urllib3.PoolManager(timeout=CALL_SECONDS, retries=False)
        minio = info["minio"]
        self._s3 = s3_client(minio["endpoint"], minio["accessKey"], minio["secretKey"])

    def upload(self, key: str, body: bytes, bucket: str = BUCKET) -> None:
        """Uploads a CSV file. Raises NotReadyError or ClientError."""
        place = f"the upload to {self._info['minio']['endpoint']}/{bucket}"
        try:
            self._s3.put_object(bucket, key, BytesIO(body), len(body), content_type="text/csv")
        except (ServerError, urllib3.exceptions.HTTPError) as error:
            raise NotReadyError(f"{place} failed: {error}") from error
        except MinioException as error:
            later = isinstance(error, S3Error) and error.response.status >= 500
            raise (NotReadyError if later else ClientError)(f"{place} failed: {error}") from error

    def download(self, bucket: str, key: str) -> str:
        with self._s3.get_object(bucket, key) as response:
            return response.read().decode("utf-8-sig")  # a rejects file begins with a byte order mark, for Excel

    def get(self, path: str, **query: str) -> Any:
        """Calls a function's API, such as `invoices/imports`. Raises NotReadyError or ClientError."""
        return self._call("GET", f"{self._info['gateway']}/function/{path}", self._headers, fields=query)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """Calls a function's API with a JSON body. Raises NotReadyError or ClientError."""
        return self._call("POST", f"{self._info['gateway']}/function/{path}", self._headers | headers, json=body)

    def put(self, path: str, body: Any) -> Any:
        """Calls a function's API with a JSON body. Raises NotReadyError or ClientError."""
        return self._call("PUT", f"{self._info['gateway']}/function/{path}", self._headers, json=body)

    def messages(self) -> list[dict[str, Any]]:
        """The inbox, newest first."""
        found: list[dict[str, Any]] = self._call("GET", f"{self._info['inbox']}/messages", {})
        return found

    def message(self, message_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._call("GET", f"{self._info['inbox']}/messages/{message_id}", {})
        return found

    def _call(self, method: str, url: str, headers: dict[str, str], **arguments: Any) -> Any:
        try:
            answer = self._http.request(method, url, headers=headers, **arguments)
        except urllib3.exceptions.HTTPError as error:
            raise NotReadyError(f"{method} {url} has no answer: {error}") from error
        if answer.status >= 400:
            kind = NotReadyError if answer.status >= 500 else ClientError
            raise kind(f"{method} {url} answered {answer.status}: {answer.data.decode()}")
        return answer.json()


def s3_client(
    endpoint: str, user: str, password: str, seconds: float = CALL_SECONDS, retries: urllib3.Retry | bool = RETRIES
) -> Minio:
    """A client of the S3 server at that URL. `seconds` is the limit of one attempt."""
    url = urlsplit(endpoint)
    http = urllib3.PoolManager(timeout=seconds, retries=retries)
    return Minio(url.netloc, user, password, secure=url.scheme == "https", http_client=http)


def wait_for(what: str, find: Callable[[], Any], seconds: float = 10.0, advice: str = "") -> Any:
    """Calls `find`, also after a NotReadyError, until its result is true. Returns the result.

    Raises ClientError, with `what` and `advice`, after `seconds`.
    """
    end = time.monotonic() + seconds
    reason = ""
    while True:
        try:
            if found := find():
                return found
        except NotReadyError as error:
            reason = f" ({error})"
        if time.monotonic() > end:
            raise ClientError(f"{what} did not come within {seconds:g} s{reason}. {advice}".rstrip())
        time.sleep(POLL_SECONDS)
