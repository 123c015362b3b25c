"""The buckets: every version of every object, with its id and its time, since these are the identity of an import.

The bytes of a version never change, so they lie in the archive once, under a name made of bucket, key and version, and
a backup lists what belongs to it. S3 has no call that puts a version back under its own id. MinIO has one, for its
own replication: the version id is in the query, the time and the etag are in headers.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from time import monotonic
from typing import Any

import msgspec
import urllib3

from mailroom.backups import manifest
from mailroom.backups.archive import Archive
from mailroom.backups.manifest import Backup, Damaged, File, damage, write_file
from mailroom.backups.packing import Stream
from mailroom.errors import MailroomError, Unavailable
from mailroom.platform import objects
from mailroom.platform.objects import ObjectGone, ObjectStore, ObjectVersion
from mailroom.platform.version_pages import pages

_KEPT_HEADERS = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type")
_META = "x-amz-meta-"
_ANSWER_SECONDS = 60.0

# MinIO forgets a list that nobody goes on with for some minutes, and then may end it too soon: docs/storage.md.
_LIST_SECONDS = 60.0


class Refused(MailroomError):
    """The object store does not take a version as it was."""


class Stored(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A line of the list of objects. `deleted`: the key's latest version is a delete marker, and all else is empty."""

    bucket: str
    key: str
    version_id: str = ""
    etag: str = ""
    size: int = 0
    modified_ms: int = 0
    headers: dict[str, str] = {}
    sha256: str = ""
    deleted: bool = False

    @property
    def name(self) -> str:
        """Of its bytes in the archive."""
        identity = (self.bucket, self.key, self.version_id or f"{self.modified_ms} {self.etag}")
        digest = hashlib.blake2b("\0".join(identity).encode(), digest_size=16).hexdigest()
        return f"{manifest.OBJECTS}/{digest[:2]}/{digest}"


def dump(store: ObjectStore, archive: Archive, backup: str, buckets: list[str], before: Backup | None) -> File:
    """Writes the list of all versions, and the bytes of those that are not in the archive.

    What `before`, an earlier backup, lists is in the archive, unless somebody removed it there.
    """
    copied = _copied(store, archive, buckets, before)
    name = manifest.path(backup, "objects.jsonl.gz")
    return write_file(archive, name, ((msgspec.json.encode(stored) + b"\n", 1) for stored in copied))


def _copied(store: ObjectStore, archive: Archive, buckets: list[str], before: Backup | None) -> Iterator[Stored]:
    """The lines of the list. The bytes of each are in the archive then."""
    there = {entry.name for entry in archive.entries(manifest.OBJECTS)}
    for bucket in buckets:
        listed = lines(archive, before)
        known = _Known(each for each in listed if each.bucket == bucket and not each.deleted)
        for version in _versions(store, bucket):
            stored = known.find(_as_listed(version))
            if stored is not None and stored.name in there:
                yield stored
                continue
            with suppress(ObjectGone):  # it was deleted since it was listed
                yield _copy(store, archive, version)
        yield from (Stored(bucket=bucket, key=key, deleted=True) for key in store.deleted(bucket))


def _versions(store: ObjectStore, bucket: str) -> Iterator[ObjectVersion]:
    """All versions, by key, however slowly they are taken: before a list is too old, another one goes on."""
    after: str | None = ""
    while after is not None:
        listed = pages(store.versions_after(bucket, after))
        begun, after = monotonic(), None
        for page in listed:
            yield from page
            if monotonic() - begun > _LIST_SECONDS:
                after = page[-1].key
                break


def _copy(store: ObjectStore, archive: Archive, version: ObjectVersion) -> Stored:
    headers, listed = store.metadata(version), _as_listed(version)
    with store.read(version) as pieces:
        content = Stream(pieces)
        archive.write(listed.name, content)
    if content.size != version.size:
        raise Unavailable(f"{version.bucket}/{version.key} was cut off")
    kept = {name: value for name, value in headers.items() if name in _KEPT_HEADERS or name.startswith(_META)}
    return msgspec.structs.replace(listed, headers=kept, sha256=content.sha256)


class _Known:
    """The versions of an earlier backup's bucket, looked up in the order of keys, in which listings come."""

    def __init__(self, stored: Iterator[Stored]) -> None:
        self._keys = groupby(stored, key=attrgetter("key"))
        self._key: bytes | None = b""
        self._versions: dict[str, Stored] = {}

    def find(self, version: Stored) -> Stored | None:
        wanted = version.key.encode()
        while self._key is not None and self._key < wanted:
            key, group = next(self._keys, (None, ()))
            self._key = None if key is None else key.encode()
            self._versions = {each.name: each for each in group}
        return self._versions.get(version.name) if self._key == wanted else None


def lines(archive: Archive, backup: Backup | None) -> Iterator[Stored]:
    """The backup's list of objects."""
    if backup is None or backup.manifest.objects is None:
        return
    with archive.read(backup.manifest.objects.name) as packed, gzip.open(packed) as content:
        yield from map(msgspec.json.Decoder(Stored).decode, content)


def _as_listed(version: ObjectVersion) -> Stored:
    return Stored(**msgspec.structs.asdict(version))


def check(archive: Archive, backup: Backup) -> Iterator[Damaged | None]:
    """Reads the bytes of every version; yields for each what is wrong with it."""
    for stored in lines(archive, backup):
        if not stored.deleted:
            yield damage(archive, stored.name, stored.size, stored.sha256)


def load(store: ObjectStore, archive: Archive, backup: Backup) -> Iterator[tuple[str, int, int]]:
    """Puts every version back that is not there; nothing that is there is changed or deleted.

    Yields each bucket's name, how many versions were put back, and how many were there.
    Raises Refused: the store gives ids of its own.
    """
    for bucket, group in groupby(lines(archive, backup), key=attrgetter("bucket")):
        there = {_as_listed(version).name for version in store.versions(bucket)}
        deleted, put = set(store.deleted(bucket)), 0
        listed: set[str] = set()
        for stored in group:
            if stored.deleted:
                if stored.key not in deleted:
                    _delete(store, stored, listed)
                continue
            listed.add(stored.name)
            if stored.name not in there:
                _put(store, archive, stored)
                put += 1
        yield bucket, put, len(there)


def _delete(store: ObjectStore, stored: Stored, listed: set[str]) -> None:
    """Deletes the key again, unless somebody uploaded a version since that is not `listed`."""
    latest = next(store.versions(stored.bucket, prefix=stored.key), None)
    if latest and _as_listed(latest).name in listed:
        with objects.translated_errors():
            store.client.remove_object(stored.bucket, stored.key)


def _put(store: ObjectStore, archive: Archive, stored: Stored) -> None:
    modified = datetime.fromtimestamp(stored.modified_ms / 1000, UTC).isoformat(timespec="milliseconds")
    own = {name: value for name, value in stored.headers.items() if name.startswith(_META)}
    headers = {name: value for name, value in stored.headers.items() if name not in own} | {
        "content-length": str(stored.size),
        "x-minio-source-mtime": modified.replace("+00:00", "Z"),
        "x-minio-source-etag": stored.etag,
    }
    # The client has no call that takes a version id. A presigned request takes it, and what else has to be signed.
    parameters: dict[str, Any] = own | ({"versionId": stored.version_id} if stored.version_id else {})
    url = store.client.get_presigned_url("PUT", stored.bucket, stored.key, extra_query_params=parameters)
    with archive.read(stored.name) as content, objects.translated_errors():
        body = content if stored.size else b""
        answer = urllib3.request("PUT", url, body=body, headers=headers, timeout=_ANSWER_SECONDS, retries=False)
    which = f"{stored.bucket}/{stored.key}"
    if answer.status != 200:
        raise Refused(f"{which} cannot be put back: {answer.status} {answer.data[:300].decode(errors='replace')}")
    given = answer.headers.get("x-amz-version-id", "")
    if given != stored.version_id:
        raise Refused(
            f"{which} was put back as version {given!r}, and not {stored.version_id!r}: this object store gives "
            "ids of its own. Restore its buckets by its own means, and the database alone: --only database"
        )
