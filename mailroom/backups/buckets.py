"""The buckets: every version of every object, with its id and its time, since these are the identity of an import.

The bytes of a version never change, so they lie in the archive once, under a name made of bucket, key and version, and
a backup lists what belongs to it. Putting a version back under its own id is nothing that S3 knows. MinIO does it for
its own replication: a version id in the query, the time and the etag in headers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

import msgspec
import urllib3

from mailroom.backups import manifest
from mailroom.backups.archive import Archive
from mailroom.backups.manifest import Backup, File, check_file
from mailroom.backups.packing import Counted, pack, stream, unpack
from mailroom.errors import MailroomError, Unavailable
from mailroom.platform import objects
from mailroom.platform.objects import ObjectGone, ObjectStore, ObjectVersion

_KEPT_HEADERS = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type")
_META = "x-amz-meta-"
_ANSWER_SECONDS = 60.0
_LINE = msgspec.json.Encoder()


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
    """Writes the list of all versions, and the bytes of those that `before`, an earlier backup, does not list.

    So are those that it lists and that somebody removed from the archive, as damaged.
    """
    writer = _Writer(store, archive, buckets, before)
    packed = Counted(pack(writer))
    name = manifest.path(backup, "objects.jsonl.gz")
    archive.write(name, packed)
    return File(name, packed.size, packed.sha256, writer.lines)


class _Writer:
    """The lines of the list; copies what they name on the way."""

    def __init__(self, store: ObjectStore, archive: Archive, buckets: list[str], before: Backup | None) -> None:
        self._store = store
        self._archive = archive
        self._buckets = buckets
        self._before = before
        self._there = {entry.name for entry in archive.entries(manifest.OBJECTS)}
        self.lines = 0

    def __iter__(self) -> Iterator[bytes]:
        for bucket in self._buckets:
            for stored in self._versions(bucket):
                self.lines += 1
                yield _LINE.encode(stored) + b"\n"
            for key in self._store.deleted(bucket):
                self.lines += 1
                yield _LINE.encode(Stored(bucket=bucket, key=key, deleted=True)) + b"\n"

    def _versions(self, bucket: str) -> Iterator[Stored]:
        known = _Known(_of_bucket(self._archive, self._before, bucket))
        for version in self._store.versions(bucket):
            found = _as_listed(version)
            stored = known.find(found)
            if stored is None or stored.name not in self._there:
                try:
                    stored = self._copy(version, found)
                except ObjectGone:
                    continue  # deleted since it was listed
            yield stored

    def _copy(self, version: ObjectVersion, found: Stored) -> Stored:
        headers = self._store.metadata(version)
        with self._store.read(version) as pieces:
            counted = Counted(pieces)
            self._archive.write(found.name, counted)
        if counted.size != version.size:
            raise Unavailable(f"{version.bucket}/{version.key} was cut off")
        kept = {name: value for name, value in headers.items() if name in _KEPT_HEADERS or name.startswith(_META)}
        return msgspec.structs.replace(found, headers=kept, sha256=counted.sha256)


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


def lines(archive: Archive, backup: Backup) -> Iterator[Stored]:
    """The backup's list of objects."""
    if backup.manifest.objects is None:
        return
    decoder = msgspec.json.Decoder(Stored)
    with archive.read(backup.manifest.objects.name) as pieces:
        rest = b""
        for piece in unpack(pieces):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield decoder.decode(line)


def _of_bucket(archive: Archive, backup: Backup | None, bucket: str) -> Iterator[Stored]:
    if backup is None:
        return iter(())
    return (each for each in lines(archive, backup) if each.bucket == bucket and not each.deleted)


def _as_listed(version: ObjectVersion) -> Stored:
    return Stored(
        bucket=version.bucket,
        key=version.key,
        version_id=version.version_id,
        etag=version.etag,
        size=version.size,
        modified_ms=version.modified_ms,
    )


def check(archive: Archive, backup: Backup) -> int:
    """Reads the bytes of every version; how many versions. Raises Damaged."""
    checked = 0
    for stored in lines(archive, backup):
        if not stored.deleted:
            check_file(archive, stored.name, stored.size, stored.sha256)
            checked += 1
    return checked


def load(store: ObjectStore, archive: Archive, backup: Backup) -> Iterator[tuple[str, int, int]]:
    """Puts every version back that is not there; nothing that is there is changed or deleted.

    Yields each bucket's name, how many versions were put back, and how many were there.
    Raises Refused: the store gives ids of its own.
    """
    for bucket, group in groupby(lines(archive, backup), key=attrgetter("bucket")):
        restorer = _Restorer(store, archive, bucket)
        for stored in group:
            restorer.restore(stored)
        yield bucket, restorer.put, len(restorer.there)


class _Restorer:
    """Puts the versions of one bucket back."""

    def __init__(self, store: ObjectStore, archive: Archive, bucket: str) -> None:
        self._store = store
        self._archive = archive
        self._http = urllib3.PoolManager(timeout=_ANSWER_SECONDS, retries=False)
        self._listed: set[str] = set()
        self.there = {_as_listed(version).name for version in store.versions(bucket)}
        self._deleted = set(store.deleted(bucket))
        self.put = 0

    def restore(self, stored: Stored) -> None:
        if stored.deleted:
            self._delete(stored)
            return
        self._listed.add(stored.name)
        if stored.name not in self.there:
            self._put(stored)
            self.put += 1

    def _delete(self, stored: Stored) -> None:
        """As it was, unless somebody uploaded another version since."""
        latest = next(self._store.versions(stored.bucket, prefix=stored.key), None)
        if stored.key not in self._deleted and latest and _as_listed(latest).name in self._listed:
            with objects.translated_errors():
                self._store.client.remove_object(stored.bucket, stored.key)

    def _put(self, stored: Stored) -> None:
        modified = datetime.fromtimestamp(stored.modified_ms / 1000, UTC).isoformat(timespec="milliseconds")
        own = {name: value for name, value in stored.headers.items() if name.startswith(_META)}
        headers = {name: value for name, value in stored.headers.items() if name not in own} | {
            "content-length": str(stored.size),
            "x-minio-source-mtime": modified.replace("+00:00", "Z"),
            "x-minio-source-etag": stored.etag,
        }
        # The client has no call that takes a version id. A presigned request takes it, and what else has to be signed.
        parameters: dict[str, Any] = own | ({"versionId": stored.version_id} if stored.version_id else {})
        url = self._store.client.get_presigned_url("PUT", stored.bucket, stored.key, extra_query_params=parameters)
        with self._archive.read(stored.name) as pieces, objects.translated_errors():
            body = stream(pieces) if stored.size else b""
            answer = self._http.request("PUT", url, body=body, headers=headers)
        which = f"{stored.bucket}/{stored.key}"
        if answer.status != 200:
            raise Refused(f"{which} cannot be put back: {answer.status} {answer.data[:300].decode(errors='replace')}")
        given = answer.headers.get("x-amz-version-id", "")
        if given != stored.version_id:
            raise Refused(
                f"{which} was put back as version {given!r}, and not {stored.version_id!r}: this object store gives "
                "ids of its own. Restore its buckets by its own means, and the database alone: --only database"
            )
