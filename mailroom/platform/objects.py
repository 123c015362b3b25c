"""The object store (S3), and what its errors mean: gone for good, or ask again later.

Its client takes 0.2 s to import, so that is done when it is first used, and not at all where it is not.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import groupby, takewhile
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from mailroom.errors import InvalidSetting, MailroomError, Unavailable
from mailroom.platform.clock import to_milliseconds
from mailroom.platform.streams import PieceReader

if TYPE_CHECKING:
    from minio import Minio
    from minio.datatypes import Object as Item
    from urllib3 import BaseHTTPResponse, PoolManager

# MinIO calls a version id that is no UUID an invalid argument, and has names that no object can have.
_GONE = {
    "InvalidArgument",
    "InvalidObjectName",
    "InvalidRequest",  # SeaweedFS, for a version id such as `..`
    "InvalidVersionId",
    "KeyTooLongError",
    "MethodNotAllowed",
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchObject",
    "NoSuchVersion",
    "PreconditionFailed",
    "XMinioInvalidObjectName",
    "XMinioInvalidResourceName",  # a version id such as `..`
}
# An operator can mend these, and then the work should go on.
_REFUSED = {"AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}

_PART_BYTES = 5 << 20  # the least that S3 takes as a part of an object


class ObjectGone(MailroomError):
    """The object, or that version of it, does not exist. Permanent."""


class ObjectVersion(msgspec.Struct, frozen=True):
    """One version of an object. `version_id` is empty in a bucket without versions; times are Unix milliseconds."""

    bucket: str
    key: str
    version_id: str
    etag: str
    size: int
    modified_ms: int


class ObjectStore:
    """A thin, typed layer over `minio.Minio`. Every call blocks, at most for the time-out per answer."""

    def __init__(self, connect: Callable[[], Minio]) -> None:
        self._connect = connect

    @cached_property
    def client(self) -> Minio:
        return self._connect()

    @contextmanager
    def read(self, version: ObjectVersion, offset: int = 0, chunk: int = 1 << 18) -> Iterator[Iterator[bytes]]:
        """The bytes of exactly that version from `offset` on, in chunks.

        Raises:
            ObjectGone: that version does not exist, or (without versions) was overwritten.
            Unavailable: the store does not answer, also in the middle.
        """
        headers = None if version.version_id else {"If-Match": version.etag}
        which = {"version_id": version.version_id or None, "offset": offset, "request_headers": headers}
        with translated_errors(), self._answer(version.bucket, version.key, **which) as response:
            yield response.stream(chunk)

    def metadata(self, version: ObjectVersion) -> dict[str, str]:
        """The headers of the object, names in lower case: its user metadata are those that begin with `x-amz-meta-`.

        Raises:
            ObjectGone, Unavailable: as `read`.
        """
        with translated_errors():
            return self._headers(version.bucket, version.key, version.version_id or None)

    def find(self, bucket: str, key: str, version_id: str = "") -> ObjectVersion:
        """One version of an object, by default the latest. A listing is asked too, for only that has milliseconds.

        Raises:
            ObjectGone: there is none, or the latest is a delete marker.
            Unavailable: the store does not answer.
        """
        _check(key)
        with translated_errors():
            wanted = version_id or self._headers(bucket, key, None).get("x-amz-version-id", "")
        for version in self.versions(bucket, prefix=key):
            if version.key > key:
                break  # a listing is in the order of keys; SeaweedFS lists `may.csv` for the prefix `may.csv.` too
            if version.key == key and version.version_id == wanted:
                return version
        raise ObjectGone(
            f"there is no object {bucket}/{key}" + (f" with the version {version_id}" if version_id else "")
        )

    def deleted(self, bucket: str) -> Iterator[str]:
        """The keys whose latest version is a delete marker."""
        with translated_errors():
            for item in self.client.list_objects(bucket, recursive=True, include_version=True):
                if item.is_delete_marker and item.is_latest == "true":
                    yield str(item.object_name)

    def versions(self, bucket: str, prefix: str = "") -> Iterator[ObjectVersion]:
        """All versions below `prefix`, by key, newest first.

        SeaweedFS lists not all of them in a bucket of more than 1,000 versions: docs/storage.md.
        """
        return _by_key(self._versions(bucket, prefix))

    def versions_after(self, bucket: str, key: str) -> Iterator[ObjectVersion]:
        """All versions whose key is greater than `key`, by key, newest first.

        The rest of each folder that `key` is in is listed by itself, from the innermost one on. MinIO ends a listing of
        the whole bucket too soon that begins within `may/`, if there are 1,100 names such as `may-1.csv` beside it.
        """
        return _by_key(self._versions_after(bucket, key))

    def _versions_after(self, bucket: str, key: str) -> Iterator[ObjectVersion]:
        folder, slash, _ = key.rpartition("/")
        yield from self._versions(bucket, folder + slash, key)
        while slash:
            following = folder + "0"  # the first key after those of the folder, since `0` comes after `/`
            yield from takewhile(partial(_has_key, following), self._versions(bucket, following))
            folder, slash, _ = folder.rpartition("/")
            yield from self._versions(bucket, folder + slash, following)

    def _versions(self, bucket: str, prefix: str, start_after: str = "") -> Iterator[ObjectVersion]:
        with translated_errors():
            for item in self.client.list_objects(
                bucket, prefix=prefix, recursive=True, include_version=True, start_after=start_after or None
            ):
                if not item.is_delete_marker and not item.is_dir:
                    yield listed_version(bucket, item)

    def write(
        self,
        bucket: str,
        key: str,
        chunks: Iterable[bytes],
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Writes an object while its chunks are made: it is there whole or not at all. The id of its version.

        Holds one part of 5 MiB. What `chunks` raises ends the upload, and comes out of here.

        Raises:
            Unavailable: the store does not answer, or has no such bucket, which an operator can mend.
        """
        body = io.BufferedReader(PieceReader(chunks))
        try:
            with translated_errors():
                written = self.client.put_object(
                    bucket,
                    key,
                    body,
                    -1,
                    content_type,
                    dict(metadata or {}),
                    part_size=_PART_BYTES,
                    num_parallel_uploads=1,
                )
        except ObjectGone as error:
            raise Unavailable(f"the object store does not take {error}") from error
        return written.version_id or ""

    def _headers(self, bucket: str, key: str, version_id: str | None) -> dict[str, str]:
        from minio.error import S3Error

        # With one byte of the object: of headers that are cut off, only the missing byte tells.
        try:
            with self._answer(bucket, key, length=1, version_id=version_id) as response:
                response.read()
                headers: Mapping[str, str] = response.headers
        except S3Error as error:
            if error.code != "InvalidRange":
                raise
            headers = self.client.stat_object(bucket, key, version_id=version_id).metadata or {}  # it is empty
        return {name.lower(): value for name, value in headers.items()}

    @contextmanager
    def _answer(self, bucket: str, key: str, **options: Any) -> Iterator[BaseHTTPResponse]:
        """The store's answer. Raises `Unavailable` when it does not say where it ends.

        When a connection breaks within the headers, what came of them is taken for all, and no body for an empty one.
        """
        _check(key)
        response = self.client.get_object(bucket, key, **options)
        try:
            if response.length_remaining is None and not getattr(response, "chunked", False):
                raise Unavailable("the object store's answer was cut off")
            yield response
        finally:
            response.close()
            response.release_conn()


def _check(key: str) -> None:
    """Raises `ObjectGone` for a key that no object can have. The client would raise `ValueError`."""
    if not key.strip() or {".", ".."} & set(key.split("/")):
        raise ObjectGone(f"no object can be named {key!r}")


def listed_version(bucket: str, item: Item) -> ObjectVersion:
    """An entry of a listing."""
    assert item.object_name is not None  # a listing gives name and time of whatever it lists
    assert item.last_modified is not None
    return ObjectVersion(
        bucket=bucket,
        key=item.object_name,
        version_id="" if item.version_id in (None, "null") else str(item.version_id),
        etag=(item.etag or "").strip('"'),
        size=item.size or 0,
        modified_ms=to_milliseconds(item.last_modified),
    )


def _has_key(key: str, version: ObjectVersion) -> bool:
    return version.key == key


def _by_key(versions: Iterator[ObjectVersion]) -> Iterator[ObjectVersion]:
    for _, of_key in groupby(versions, key=attrgetter("key")):
        yield from _with_distinct_times(list(of_key))


def _with_distinct_times(versions: list[ObjectVersion]) -> list[ObjectVersion]:
    """The versions of one key, newest first. Of those with one time, a newer one gets a later millisecond.

    Most servers list whole seconds. Which of two versions is newer only the order of the listing tells then.
    """
    ordered: list[ObjectVersion] = []
    for version in reversed(versions):
        if version.version_id and ordered and version.modified_ms <= ordered[-1].modified_ms:
            version = msgspec.structs.replace(version, modified_ms=ordered[-1].modified_ms + 1)
        ordered.append(version)
    return ordered[::-1]


def connect(
    endpoint: str,
    region: str | None,
    keys: Callable[[], tuple[str, str]],
    timeout: float,
    pool: PoolManager | None = None,
) -> Minio:
    """A client of the store at the URL `endpoint`. Sends nothing yet; `timeout` is seconds per answer.

    `keys` gives the access key and the secret key; it is asked at every call, so that they may change. Without a
    `region` the client asks the store for it. With a `pool`, that one makes the calls.
    """
    import urllib3
    from minio import Minio
    from minio.credentials.credentials import Credentials
    from minio.credentials.providers import Provider

    class Keys(Provider):
        def retrieve(self) -> Credentials:
            return Credentials(*keys())

    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.netloc:
        raise InvalidSetting(f"S3_ENDPOINT is {endpoint!r}: must be a URL such as http://minio:9000")
    pool = pool or urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=min(timeout, 3.0), read=timeout),
        maxsize=4,
        retries=urllib3.Retry(total=1, backoff_factor=0.1, status_forcelist=[502, 504]),
    )
    return Minio(
        url.netloc,
        credentials=Keys(),
        region=region,
        secure=url.scheme == "https",
        http_client=pool,
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turns the client's errors into `ObjectGone` and `Unavailable`; those of which nothing is known pass."""
    from xml.etree.ElementTree import ParseError  # nosec B405  # for a listing that is cut off

    from minio.error import InvalidResponseError, S3Error, ServerError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except S3Error as error:
        if error.code in _GONE:
            raise ObjectGone(f"{error.bucket_name}/{error.object_name}: {error.message}") from error
        if error.code in _REFUSED:
            raise Unavailable(f"the object store refuses our access: {error.code}") from error
        if error.response is not None and error.response.status >= 500:
            raise Unavailable(f"the object store answers {error.code}") from error
        raise
    except (HTTPError, ServerError, InvalidResponseError, OSError, ParseError) as error:
        raise Unavailable("the object store does not answer") from error
