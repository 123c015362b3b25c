"""`python -m mailroom backups`: made, listed, checked and restored, where BACKUP_TO says."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import Any

from mailroom.services import Services


def add_to(commands: Any) -> None:
    """Adds the command, with its own commands."""
    own = commands.add_parser("backups", help="backups of the database and the buckets")
    own = own.add_subparsers(required=True, metavar="COMMAND")

    create = own.add_parser("create", help="make one, and remove all but the newest BACKUP_KEEP of each kind")
    _add_only(create)
    create.set_defaults(run=_create)

    own.add_parser("list", help="name, begin, documents, versions of objects").set_defaults(run=_list)

    check = own.add_parser("check", help="read all of one, and compare its checksums")
    _add_name(check)
    check.set_defaults(run=_check)

    restore = own.add_parser("restore", help="check one, then write it, and run the set-up")
    _add_name(restore)
    _add_only(restore)
    restore.add_argument("--replace", action="store_true", help="replace a database that is not empty")
    restore.add_argument(
        "--hold-mail", action="store_true", help="mail that waited is not sent by itself: it may have been sent since"
    )
    restore.set_defaults(run=_restore)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", help="as `backups list` shows it (default: the newest)")


def _add_only(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", default="", choices=("database", "buckets"), help="default: both")


# The modules bring in the object store's client, which other commands do not need.


def _create(services: Services, options: argparse.Namespace) -> int:
    from mailroom.backups import backup

    archive, now = backup.open_archive(services), datetime.now(UTC)
    made = backup.create(services, archive, _say, only=options.only, now=now)
    backup.expire(archive, services.settings.backup_keep, _say, now=now)
    print(made.name)
    return 0


def _list(services: Services, _: argparse.Namespace) -> int:
    from mailroom.backups import backup, manifest

    archive = backup.open_archive(services)
    for name in manifest.finished(archive):
        try:
            found = manifest.read(archive, name).manifest
        except manifest.Damaged as error:
            _say(str(error))
            continue
        documents = sum(file.entries for file in found.collections)
        print(name, f"{found.finished_at:%Y-%m-%dT%H:%M:%SZ}", documents, _versions(found), sep="\t")
    return 0


def _versions(found: Any) -> str:
    return "-" if found.objects is None else str(found.objects.entries)


def _check(services: Services, options: argparse.Namespace) -> int:
    from mailroom.backups import backup, manifest, restore

    archive = backup.open_archive(services)
    restore.check(archive, manifest.read(archive, options.name), _say)
    return 0


def _restore(services: Services, options: argparse.Namespace) -> int:
    from mailroom.backups import backup, manifest, restore

    archive = backup.open_archive(services)
    restore.restore(
        services,
        archive,
        manifest.read(archive, options.name),
        _say,
        only=options.only,
        replace=options.replace,
        hold_mail=options.hold_mail,
    )
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
