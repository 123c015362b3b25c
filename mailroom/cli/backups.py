"""Backups of the database and the buckets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from pymongo.errors import PyMongoError

from mailroom.cli.support import CommandFailed, say, with_services
from mailroom.services import Services

if TYPE_CHECKING:
    from mailroom.backups.backup import Part


@click.group()
def backups() -> None:
    """Backups of the database and the buckets."""


# By default the newest backup: its name is empty here.
_backup_name = click.argument("name", required=False, default="")
_only = click.option(
    "--only",
    type=click.Choice(["database", "buckets"]),
    callback=lambda _context, _option, only: only or "",
    help="By default both.",
)


@contextmanager
def _noted() -> Iterator[None]:
    """A backup is no worse if MongoDB does not take the note of it: the user of the backups may lack the right."""
    try:
        yield
    except PyMongoError as error:
        say(f"the metrics will not show this: MongoDB does not note it: {error}")


@backups.command("create")
@_only
@with_services
def create_backup(services: Services, only: Part) -> None:
    """Make one, and remove all but the newest BACKUP_KEEP of each kind."""
    from mailroom.backups import backup
    from mailroom.platform import backup_record

    archive, now = backup.open_archive(services), datetime.now(UTC)
    made = backup.create(services, archive, say, only=only, now=now)
    parts = [part for part in ("database", "buckets") if only in ("", part)]
    with _noted():
        backup_record.note_success(services.database, parts, made.manifest.finished_at)
    backup.expire(archive, services.settings.backup_keep, say, now=now)
    click.echo(made.name)


@backups.command("list")
@with_services
def list_backups(services: Services) -> None:
    """Print name, end, documents and versions of objects of each backup."""
    from mailroom.backups import backup, manifest

    archive = backup.open_archive(services)
    for name in manifest.finished(archive):
        try:
            found = manifest.read(archive, name).manifest
        except manifest.Damaged as error:
            say(str(error))
            continue
        documents = sum(file.entries for file in found.collections)
        versions = "-" if found.objects is None else found.objects.entries
        click.echo(f"{name}\t{found.finished_at:%Y-%m-%dT%H:%M:%SZ}\t{documents}\t{versions}")


@backups.command("check")
@_backup_name
@with_services
def check_backup(services: Services, name: str) -> None:
    """Read all of one, by default the newest, and compare its checksums."""
    from mailroom.backups import backup, manifest, restore
    from mailroom.platform import backup_record

    archive = backup.open_archive(services)
    damaged = []
    try:
        damaged = restore.damages(archive, manifest.read(archive, name), say)
    except manifest.Damaged as error:
        damaged = [error]
    with _noted():
        backup_record.note_check(services.database, len(damaged), datetime.now(UTC))
    if damaged:
        also = f", and {len(damaged) - 1} more files" if damaged[1:] else ""
        raise CommandFailed(f"{damaged[0]}{also}")


@backups.command("restore")
@_backup_name
@_only
@click.option("--replace", is_flag=True, help="Replace a database that is not empty.")
@click.option("--hold-mail", is_flag=True, help="Do not send mail that waited: it may have been sent since.")
@with_services
def restore_backup(services: Services, name: str, **options: Any) -> None:
    """Check one, by default the newest, then write it, and run the set-up."""
    from mailroom.backups import backup, manifest, restore

    archive = backup.open_archive(services)
    restore.restore(services, archive, manifest.read(archive, name), say, **options)
