"""Making a backup, and removing what is too old. docs/backup.md says how a deployment does it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import mailroom
from mailroom.backups import buckets, database, manifest
from mailroom.backups.archive import Archive, BucketArchive, FolderArchive
from mailroom.backups.manifest import Backup, Damaged, Manifest, check_file
from mailroom.errors import InvalidSetting
from mailroom.platform import secrets
from mailroom.services import Services

Say = Callable[[str], None]
Part = Literal["", "database", "buckets"]
"""What is meant: both for an empty one."""

# What a backup that is being made has written, and has no manifest yet, is younger than this.
_UNFINISHED = timedelta(days=2)


def open_archive(services: Services) -> Archive:
    """The archive that BACKUP_TO names.

    Raises:
        InvalidSetting, MissingSecret, ArchiveUnusable
    """
    target = services.settings.backup_to
    if target.startswith("/"):
        return FolderArchive(Path(target))
    url = urlsplit(target)
    bucket = url.path.strip("/")
    if url.scheme not in ("http", "https") or not url.netloc or not bucket or "/" in bucket:
        example = "a folder such as /backups, or a bucket's URL: https://s3.example.com/backups"
        raise InvalidSetting(f"BACKUP_TO is {target!r}: must be {example}")
    names = (secrets.BACKUP_ACCESS_KEY, secrets.BACKUP_SECRET_KEY)
    for name in names:
        services.secrets.read(name)  # told now, and not at the first file
    return BucketArchive(services.store(*names, f"{url.scheme}://{url.netloc}", region=None), bucket)


def bucket_names(services: Services) -> list[str]:
    settings = services.settings
    return [settings.invoices_bucket, settings.rejects_bucket, settings.attachments_bucket]


def create(services: Services, archive: Archive, say: Say, *, only: Part = "", now: datetime) -> Backup:
    """Makes a backup, named for `now`, while work goes on. What was accepted before it began is in it.

    Raises:
        Unavailable, ArchiveUnusable, MissingSecret: there is no such backup then; what was written is removed later.
    """
    name = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")  # names are in the order of time
    collections = []
    if only != "buckets":
        for file in database.dump(services.database, archive, name):
            collections.append(file)
            say(f"{file.name}: {file.entries} documents, {file.size} bytes")
    listed = None
    if only != "database":
        listed = buckets.dump(services.objects, archive, name, bucket_names(services), _newest(archive))
        say(f"{listed.name}: {listed.entries} versions of objects")
    content = Manifest(
        format=manifest.FORMAT,
        mailroom=mailroom.__version__,
        started_at=now,
        finished_at=datetime.now(UTC),
        database=services.database.name,
        collections=collections,
        buckets=bucket_names(services) if listed else [],
        objects=listed,
    )
    made = Backup(name, content)
    manifest.write(archive, made)
    return made


def _newest(archive: Archive) -> Backup | None:
    """The newest backup with a list of objects that is whole: what it lists needs no copy."""
    for name in reversed(manifest.finished(archive)):
        with suppress(Damaged):
            found = manifest.read(archive, name)
            listed = found.manifest.objects
            if listed is not None:
                check_file(archive, listed.name, listed.size, listed.sha256)
                return found
    return None


def expire(archive: Archive, keep: int, say: Say, *, now: datetime) -> None:
    """Removes old backups, those that were never finished, and the objects that no backup lists any more.

    The newest `keep` that hold the database stay, and the newest `keep` that hold the buckets. What is younger than two
    days and not finished stays too: it may belong to a backup that is being made. When a backup that stays cannot be
    read, no object is removed.
    """
    finished = manifest.finished(archive)
    backups = _readable(archive, finished)
    kept = _kept(finished, backups, keep)
    long_ago = now - _UNFINISHED
    for name in finished:
        # Its manifest first: half a backup must not look like a whole one.
        if name not in kept:
            archive.remove(manifest.path(name, manifest.MANIFEST))
            say(f"removed the backup {name}")
    for entry in list(archive.entries(manifest.BACKUPS)):
        name = entry.name.split("/")[1]
        if name not in kept and (name in finished or entry.written < long_ago):
            archive.remove(entry.name)
    try:
        listed = _listed(archive, kept, backups)
    except Damaged as error:
        say(f"no object is removed: {error}")
        return
    for entry in list(archive.entries(manifest.OBJECTS)):
        if entry.name not in listed and entry.written < long_ago:
            archive.remove(entry.name)


def _readable(archive: Archive, names: list[str]) -> dict[str, Backup]:
    found = {}
    for name in names:
        with suppress(Damaged):
            found[name] = manifest.read(archive, name)
    return found


def _kept(finished: list[str], backups: dict[str, Backup], keep: int) -> set[str]:
    """Of one that is damaged nobody knows what it holds: it stays among those that stay."""
    made = {name: backup.manifest for name, backup in backups.items()}
    of_database = [name for name in made if made[name].collections or made[name].objects is None][-keep:]
    of_buckets = [name for name in made if made[name].objects is not None][-keep:]
    oldest = max((names[0] for names in (of_database, of_buckets) if names), default="")
    damaged = {name for name in finished if name not in backups and name > oldest}
    return {*of_database, *of_buckets} | damaged


def _listed(archive: Archive, names: set[str], backups: dict[str, Backup]) -> set[str]:
    """The names in the archive of all objects of these backups. Raises Damaged."""
    found: set[str] = set()
    for name in names:
        if name not in backups:
            raise Damaged(f"the manifest of the backup {name} is damaged")
        if listed := backups[name].manifest.objects:
            check_file(archive, listed.name, listed.size, listed.sha256)
            found.update(stored.name for stored in buckets.lines(archive, backups[name]))
    return found
