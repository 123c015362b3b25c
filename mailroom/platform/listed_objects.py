"""The objects of a bucket as a listing without versions has them, page by page, with the server's own tokens."""

from __future__ import annotations

import msgspec

from mailroom.platform.objects import ObjectGone, ObjectStore, ObjectVersion, listed_version, translated_errors
from mailroom.platform.signed_request import signed_request


class ListedObject(msgspec.Struct, frozen=True):
    """An object in a listing without versions. `modified_ms` may be a whole second."""

    key: str
    etag: str
    size: int
    modified_ms: int


def list_newest(store: ObjectStore, bucket: str, token: str | None = None) -> tuple[list[ListedObject], str]:
    """A page of the newest versions of the keys that are not deleted, and the token of the next page, if any.

    The server chooses the order. Only its own token leads on from a page: MinIO and SeaweedFS leave out files after a
    key that the caller chooses (docs/storage.md). The client's own method keeps the tokens to itself.

    Raises:
        ObjectGone: there is no such bucket, or the server no longer knows the token.
        Unavailable: the store does not answer.
    """
    from minio.datatypes import parse_list_objects

    query = {"list-type": "2", "max-keys": "1000", "encoding-type": "url", "prefix": "", "delimiter": ""}
    if token:
        query["continuation-token"] = token
    with translated_errors():
        answer = signed_request(store, "GET", bucket, query=query)
        items, truncated, following, _ = parse_list_objects(answer)
        listed = [listed_version(bucket, item) for item in items if not item.is_dir]
    found = [ListedObject(each.key, each.etag, each.size, each.modified_ms) for each in listed]
    return found, (following or "") if truncated else ""


def versions_of(store: ObjectStore, bucket: str, listed: list[ListedObject]) -> dict[str, list[ObjectVersion]]:
    """The versions of these keys, newest first, with at least the newest one, which was listed, unless it is gone.

    They are listed together: to list the versions of one key takes MinIO as long as its folder is large.
    """
    wanted = {each.key: each for each in listed}
    found: dict[str, list[ObjectVersion]] = {}
    last = max(wanted)
    for version in store.versions_after(bucket, min(wanted)[:-1]):
        if version.key > last:
            break
        if version.key in wanted:
            found.setdefault(version.key, []).append(version)
    # SeaweedFS lists a folder before its neighbours, and may leave out what comes between.
    for key in wanted.keys() - found.keys():
        found[key] = [each for each in store.versions(bucket, prefix=key) if each.key == key]
        if not found[key]:
            found[key] = _newest_version(store, bucket, wanted[key])
    return found


def _newest_version(store: ObjectStore, bucket: str, listed: ListedObject) -> list[ObjectVersion]:
    """The listed version, if it is still the newest one. Otherwise the next listing finds the newer one."""
    newest = ObjectVersion(bucket, listed.key, "", listed.etag, listed.size, listed.modified_ms)
    try:
        headers = store.metadata(newest)
    except ObjectGone:
        return []
    if headers.get("etag", "").strip('"') != listed.etag:
        return []
    id_ = headers.get("x-amz-version-id", "")
    return [msgspec.structs.replace(newest, version_id="" if id_ == "null" else id_)]
