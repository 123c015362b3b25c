"""Restoring a backup, after all of it was read and found whole."""

from __future__ import annotations

from mailroom.backups import buckets, database
from mailroom.backups.archive import Archive
from mailroom.backups.backup import Part, Say, bucket_names
from mailroom.backups.manifest import Backup, Damaged, damage
from mailroom.deploy import setup
from mailroom.errors import MailroomError
from mailroom.invoices.imports.comparison import compare_anew
from mailroom.invoices.imports.reconcile import CURSOR_ID
from mailroom.notifications.outbox.actions import hold_all
from mailroom.notifications.outbox.upgrade import rewrite_address_keys
from mailroom.platform.mongo import server_time
from mailroom.services import Services


class NotEmpty(MailroomError):
    """There is something where the backup would go. Nothing was changed."""


class DoesNotFit(MailroomError):
    """The backup has not what was asked for, or is of other buckets. Nothing was changed."""


def check(archive: Archive, backup: Backup, say: Say) -> None:
    """Reads all of the backup. Raises Damaged, naming the first file that is not what was written."""
    if found := damages(archive, backup, say):
        raise found[0]


def damages(archive: Archive, backup: Backup, say: Say) -> list[Damaged]:
    """Reads all of the backup. Returns what is wrong with each file that is not what was written."""
    made, listed = backup.manifest, backup.manifest.objects
    files = [damage(archive, file.name, file.size, file.sha256) for file in made.collections]
    if listed and (error := damage(archive, listed.name, listed.size, listed.sha256)):
        return [*filter(None, files), error]  # nobody knows which objects belong to the backup
    versions, objects = 0, []
    for found in buckets.check(archive, backup):
        versions += 1
        if found is not None:
            objects.append(found)
    all_of_them = [*filter(None, files), *objects]
    if not all_of_them:
        say(f"{backup.name} is whole: {len(made.collections)} collections, {versions} versions of objects")
    return all_of_them


def restore(
    services: Services,
    archive: Archive,
    backup: Backup,
    say: Say,
    *,
    only: Part = "",
    replace: bool = False,
    hold_mail: bool = False,
) -> None:
    """Checks the backup, runs the set-up, and writes it. No function should run meanwhile.

    `replace`: a database that is not empty is replaced. Objects that are there stay in any case.
    `hold_mail`: mail that waited is not sent by itself, for it may have been sent since the backup.

    Raises:
        Damaged, NotEmpty, DoesNotFit: nothing was changed.
        Refused, Unavailable, SetupFailed: begin again, with `replace`.
    """
    _check_fit(services, backup, only)
    if only != "buckets" and not replace:
        _check_empty(services)
    check(archive, backup, say)
    if only != "buckets":
        database.drop(services.database, backup)
    setup.run(services, say)
    if only != "buckets":
        _restore_database(services, archive, backup, say)
        if hold_mail:
            held = hold_all(services.database["notifications"], server_time(services.database))
            say(f"{held} messages that waited are held: resend or leave each")
    if only != "database":
        for bucket, put, there in buckets.load(services.objects, archive, backup):
            say(f"{bucket}: {put} versions put back, {there} were there")


def _check_fit(services: Services, backup: Backup, only: Part) -> None:
    holds = backup.manifest
    if only != "buckets" and not holds.collections:
        raise DoesNotFit(f"the backup {backup.name} is of the buckets alone: --only buckets")
    if only != "database" and holds.objects is None:
        raise DoesNotFit(f"the backup {backup.name} is of the database alone: --only database")
    named = bucket_names(services)
    if only != "database" and holds.buckets != named:
        raise DoesNotFit(
            f"the backup {backup.name} is of the buckets {', '.join(holds.buckets)}, and the settings name "
            f"{', '.join(named)}: the name of a bucket is part of the identity of an import"
        )


def _check_empty(services: Services) -> None:
    if occupied := database.occupied(services.database):
        raise NotEmpty(
            f"the database {services.database.name} is not empty ({', '.join(occupied)}): --replace replaces it, "
            "MONGODB_DATABASE names another"
        )


def _restore_database(services: Services, archive: Archive, backup: Backup, say: Say) -> None:
    for collection, documents in database.load(services.database, archive, backup):
        say(f"{collection}: {documents} documents")
    compare_anew(services.database["imports"])
    rewrite_address_keys(services.database)  # those of a backup that an earlier version made
    # Due at once: objects that were uploaded since the database was read are not in the ledger.
    due = {"startAfter": "", "token": "", "dueAt": server_time(services.database)}
    services.database["cursors"].update_one({"_id": CURSOR_ID}, {"$set": due}, upsert=True)
