"""Writes an object unless there is one of its name."""

from __future__ import annotations

from collections.abc import Mapping

from mailroom.errors import Unavailable
from mailroom.platform.objects import ObjectGone, ObjectStore, translated_errors
from mailroom.platform.signed_request import signed_request

_EXISTS = {"PreconditionFailed", "ConditionalRequestConflict"}


def write_once(
    store: ObjectStore, bucket: str, key: str, content: bytes, content_type: str, metadata: Mapping[str, str]
) -> bool:
    """Writes the object; False if the server says that there is one of this name, or that one is being written.

    `metadata` has the names of headers: `x-amz-meta-…`.

    Raises:
        Unavailable: the store does not answer, or has no such bucket, which an operator can mend.
    """
    from minio.error import S3Error

    headers = {"If-None-Match": "*", "Content-Type": content_type, **metadata}
    try:
        with translated_errors():
            try:
                signed_request(store, "PUT", bucket, key, headers=headers, body=content)
            except S3Error as error:
                if error.code in _EXISTS:
                    return False
                raise
    except ObjectGone as error:
        raise Unavailable(f"the object store does not take {error}") from error
    return True
