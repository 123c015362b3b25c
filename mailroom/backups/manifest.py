"""What a backup consists of. The manifest is written last: a backup without one was never finished.

backups/20240131T023000Z/manifest.json
backups/20240131T023000Z/mongodb/DATABASE/COLLECTION.bson.gz    as mongodump --gzip writes it
backups/20240131T023000Z/objects.jsonl.gz                       every version: its bucket, key, id, time, checksum
objects/ab/abcd…                                                the bytes of a version, for all backups that list it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from mailroom.backups.archive import Archive, NotThere
from mailroom.backups.packing import Stream, pack
from mailroom.errors import MailroomError

FORMAT = 1
BACKUPS, OBJECTS, MANIFEST = "backups", "objects", "manifest.json"

_READ = 1 << 18


class Damaged(MailroomError):
    """A backup is not what was written. Nothing was done with it."""


class NoSuchBackup(MailroomError):
    """There is no finished backup of that name."""


class File(msgspec.Struct, frozen=True, rename="camel"):
    """A file of a backup. `entries`: its documents, or its lines."""

    name: str
    size: int
    sha256: str
    entries: int


class Manifest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Times are RFC 3339. `buckets` is empty and `objects` None in a backup of the database alone, and so on."""

    format: int
    mailroom: str
    started_at: datetime
    finished_at: datetime
    database: str
    collections: list[File]
    buckets: list[str]
    objects: File | None


class Backup(msgspec.Struct, frozen=True):
    """A finished backup."""

    name: str
    manifest: Manifest


def path(backup: str, *parts: str) -> str:
    return "/".join((BACKUPS, backup, *parts))


def write(archive: Archive, backup: Backup) -> None:
    archive.write(path(backup.name, MANIFEST), Stream([msgspec.json.format(msgspec.json.encode(backup.manifest))]))


def write_file(archive: Archive, name: str, entries: Iterable[tuple[bytes, int]]) -> File:
    """Writes a file of documents or lines as gzip. Each of `entries` is some of them, and how many these are."""
    count = 0

    def pieces() -> Iterator[bytes]:
        nonlocal count
        for piece, number in entries:
            count += number
            yield piece

    packed = Stream(pack(pieces()))
    archive.write(name, packed)
    return File(name, packed.size, packed.sha256, count)


def finished(archive: Archive) -> list[str]:
    """The names of all finished backups, oldest first."""
    ends = f"/{MANIFEST}"
    return sorted(entry.name.split("/")[1] for entry in archive.entries(BACKUPS) if entry.name.endswith(ends))


def read(archive: Archive, name: str = "") -> Backup:
    """That backup, by default the newest.

    Raises:
        NoSuchBackup; Damaged: its manifest makes no sense.
    """
    if not name:
        names = finished(archive)
        if not names:
            raise NoSuchBackup("there is no backup")
        name = names[-1]
    try:
        with archive.read(path(name, MANIFEST)) as content:
            manifest = msgspec.json.decode(content.read(), type=Manifest)
    except NotThere as error:
        raise NoSuchBackup(f"there is no finished backup {name}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"the manifest of the backup {name} is damaged: {error}") from error
    if manifest.format != FORMAT:
        raise Damaged(f"the backup {name} has format {manifest.format}: this version of Mailroom reads {FORMAT}")
    return Backup(name, manifest)


def check_file(archive: Archive, name: str, size: int, sha256: str) -> None:
    """Reads the file to its end. Raises Damaged, naming it."""
    try:
        with archive.read(name) as content:
            while content.read(_READ):
                pass
    except NotThere as error:
        raise Damaged(f"the backup is damaged: {error}") from error
    if (content.size, content.sha256) != (size, sha256):
        raise Damaged(f"the backup is damaged: {name} is not what was written ({content.size} bytes, {size} expected)")


def damage(archive: Archive, name: str, size: int, sha256: str) -> Damaged | None:
    """Reads the file to its end. What is wrong with it, or None."""
    try:
        check_file(archive, name, size, sha256)
    except Damaged as error:
        return error
    return None
