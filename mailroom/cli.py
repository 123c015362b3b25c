"""The operators' commands. A command imports what it alone needs, so that `keys list` does not wait for pyarrow."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import asdict
from pymongo.errors import PyMongoError

from mailroom.errors import MailroomError, Refusal
from mailroom.platform import settings
from mailroom.platform.api_keys import SCOPES
from mailroom.platform.clock import rfc3339
from mailroom.services import Services

if TYPE_CHECKING:
    from mailroom.backups.backup import Part
    from mailroom.invoices.presets.store import Presets
    from mailroom.notifications.templates.store import Templates

BY_COMMAND = "command"  # the `keyId` of the versions of templates and presets that commands make

_LISTED_AT_ONCE = 100


class CommandFailed(MailroomError):
    """The command does not do what was asked for. The message says why."""


@click.group()
def main() -> None:
    """Set-up, API keys, senders, templates, presets, backups, settings.

    Settings and secrets are those of the functions.
    """


def with_services(command: Callable[..., None]) -> Callable[..., None]:
    """Gives the command its services. An error ends the program with exit code 1 and one line."""

    @functools.wraps(command)
    def run(**options: Any) -> None:
        try:
            services = Services.from_environment()
            try:
                command(services, **options)
            finally:
                services.close()
        except (MailroomError, PyMongoError) as error:
            _say(f"mailroom: {error}")
            sys.exit(1)

    return run


def _say(line: str) -> None:
    click.echo(line, err=True)


@main.command()
@with_services
def setup(services: Services) -> None:
    """Make indexes, buckets and event rules. It can be repeated."""
    from mailroom.deploy import setup as steps

    steps.run(services, _say)


@main.command("settings")
@with_services
def print_settings(_: Services) -> None:
    """Print all settings with their defaults."""
    click.echo(settings.table(), nl=False)


@main.group()
def keys() -> None:
    """API keys."""


def _patterns(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    from mailroom.notifications.model.senders import pattern

    try:
        return tuple(pattern(each) for each in given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@keys.command("create")
@click.option("--name", required=True, help="Whose it is, for people.")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="May be repeated.")
@click.option("--expires-days", type=float, help="Days until it expires. By default it never does.")
@click.option(
    "--from",
    "senders",
    multiple=True,
    callback=_patterns,
    help="Address that it may send from, or *@DOMAIN. May be repeated. By default MAIL_FROM alone.",
)
@with_services
def create_key(
    services: Services, name: str, scopes: tuple[str, ...], expires_days: float | None, senders: tuple[str, ...]
) -> None:
    """Make a key and print it."""
    expires = timedelta(days=expires_days) if expires_days else None
    key = services.keys.create(name, list(scopes), expires, senders)
    _say(f"made the key {key.id}; it is shown only now:")
    click.echo(key.text)


@keys.command("list")
@with_services
def list_keys(services: Services) -> None:
    """Print id, name, scopes, creation and state of each key, and the senders that it may use if it has some."""
    for key in services.keys.all():
        ends = key["revokedAt"] or key["expiresAt"]
        state = "revoked" if key["revokedAt"] else "until" if key["expiresAt"] else "valid"
        cells = [str(key["_id"]), key["name"], " ".join(key["scopes"]), rfc3339(key["createdAt"]), state]
        cells += [rfc3339(ends)] if ends else []
        patterns = key.get("senders", ())  # a key of an earlier version has none
        cells += [f"from {' '.join(patterns)}"] if patterns else []
        click.echo("\t".join(cells))


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
@with_services
def revoke_key(services: Services, key_id: str) -> None:
    """End a key, on every replica within seconds."""
    if not services.keys.revoke(key_id):
        raise CommandFailed(f"there is no key {key_id}")


@main.group()
def senders() -> None:
    """Domains that mail is sent from."""


@senders.command("check")
@click.argument("domain")
@click.option("--selector", help="Check the DKIM record of this selector, whatever the secrets say.")
@with_services
def check_sender(services: Services, domain: str, selector: str | None) -> None:
    """Print what the DNS says of a domain: MX, SPF, DKIM, DMARC. Exit code 1 if one of them will not do."""
    from mailroom.notifications import components
    from mailroom.notifications.domains import checks
    from mailroom.notifications.domains.finding import Grade
    from mailroom.notifications.domains.lookup import Lookup
    from mailroom.notifications.model import addresses

    own = addresses.address(f"postmaster@{domain}", "DOMAIN").wire.rpartition("@")[2]
    keys = components.dkim_keys(services, addresses.sender(services.settings.mail_from).domain)
    envelope = components.return_domain(services) or own
    bad = 0
    for each in checks.run(own, envelope, keys, selector, Lookup(services.settings.dns_resolver)):
        click.echo(f"{each.grade}\t{each.check}\t{each.text}")
        bad += each.grade in (Grade.FAILED, Grade.UNKNOWN)
    if bad:
        raise CommandFailed(f"{domain} is not ready to send from")


@main.group()
def templates() -> None:
    """Templates of mail."""


@templates.command("put")
@click.argument("name")
@click.option("--subject", required=True)
@click.option("--html", type=click.Path(path_type=Path), help="File with the HTML.")
@click.option("--text", type=click.Path(path_type=Path), help="File with the text. By default the HTML gives it.")
@with_services
def put_template(services: Services, name: str, subject: str, html: Path | None, text: Path | None) -> None:
    """Make a new version, unless nothing changed."""
    from mailroom.notifications.templates import rendering
    from mailroom.notifications.templates.store import Content

    content = Content(subject, _read(html), _read(text))
    rendering.check(name, content)
    document, _ = _templates(services).put(name, asdict(content), BY_COMMAND)
    click.echo(f"{name}\t{document['version']}")


@templates.command("list")
@with_services
def list_templates(services: Services) -> None:
    """Print name, newest version and its time of each template."""
    last: str | None = ""
    while last is not None:
        items, last = _templates(services).page(_LISTED_AT_ONCE, last)
        for each in items:
            click.echo(f"{each['name']}\t{each['version']}\t{rfc3339(each['createdAt'])}")


@templates.command("show")
@click.argument("name")
@click.option("--version", type=int, help="By default the newest.")
@with_services
def show_template(services: Services, name: str, version: int | None) -> None:
    """Print the sources."""
    found = _templates(services).find(name, version)
    for part, source in found["content"].items():
        if source is not None:
            click.echo(f"--- {part} of {found['name']}, version {found['version']}\n{source}")


@templates.command("delete")
@click.argument("name")
@with_services
def delete_template(services: Services, name: str) -> None:
    """End a template. Its versions can still be shown by number."""
    _templates(services).delete(name, BY_COMMAND)


def _templates(services: Services) -> Templates:
    from mailroom.notifications.templates.store import Templates

    return Templates(services.database, services.clock)


def _read(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}") from error


@main.group()
def presets() -> None:
    """Presets: how the files of a folder are read."""


@presets.command("list")
@with_services
def list_presets(services: Services) -> None:
    """Print name, prefix, newest version and its time of each preset. `-`: it is used only where it is named."""
    last: str | None = ""
    while last is not None:
        items, last = _presets(services).page(_LISTED_AT_ONCE, last)
        for each in items:
            prefix = each["content"].get("prefix")
            cells = (each["name"], "-" if prefix is None else repr(prefix), str(each["version"]))
            click.echo("\t".join((*cells, rfc3339(each["createdAt"]))))


@presets.command("show")
@click.argument("name")
@click.option("--version", type=int, help="By default the newest.")
@with_services
def show_preset(services: Services, name: str, version: int | None) -> None:
    """Print it as JSON."""
    click.echo(_json(_presets(services).find(name, version)["content"]))


@presets.command("export")
@with_services
def export_presets(services: Services) -> None:
    """Print all presets as JSON, by name."""
    from mailroom.invoices.presets.preset import content_of

    click.echo(_json({name: content_of(preset) for name, preset in _presets(services).present()}))


@presets.command("import")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@with_services
def import_presets(services: Services, file: Path | None) -> None:
    """Make presets from FILE, as `export` prints it; without FILE, from IMPORT_PROFILES and IMPORT_ALIASES.

    A folder of the settings that has a preset is skipped. An unchanged preset gets no new version.
    """
    import msgspec

    from mailroom.invoices.presets.from_settings import import_settings
    from mailroom.invoices.presets.preset import Preset, check_name, check_preset
    from mailroom.invoices.presets.profiles import Profiles

    store = _presets(services)
    if file is None:
        for name, made in import_settings(Profiles.of(services.settings), store, BY_COMMAND):
            click.echo(f"{name}\t{made['version'] if made else 'was there'}")
        return
    try:
        given = msgspec.json.decode((_read(file) or "").encode(), type=dict[str, Preset])
    except msgspec.DecodeError as error:
        raise CommandFailed(f"{file} is not JSON of the right form: {error}") from error
    for name, preset in given.items():
        try:
            check_name(name)
            check_preset(preset)
        except Refusal as error:
            raise CommandFailed(f"{file}, {name}, {error.field}: {error.message}") from error
    prefixes = {each.prefix: name for name, each in store.present() if each.prefix is not None and name not in given}
    for name, preset in given.items():
        if preset.prefix is not None and (other := prefixes.setdefault(preset.prefix, name)) != name:
            raise CommandFailed(f"{file}, {name}, prefix: the preset {other} is for {preset.prefix!r} already")
    for name, preset in given.items():
        click.echo(f"{name}\t{store.save(name, preset, BY_COMMAND)[0]['version']}")


def _presets(services: Services) -> Presets:
    from mailroom.invoices.presets.store import Presets

    return Presets(services.database)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


@main.group()
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


@backups.command("create")
@_only
@with_services
def create_backup(services: Services, only: Part) -> None:
    """Make one, and remove all but the newest BACKUP_KEEP of each kind."""
    from mailroom.backups import backup

    archive, now = backup.open_archive(services), datetime.now(UTC)
    made = backup.create(services, archive, _say, only=only, now=now)
    backup.expire(archive, services.settings.backup_keep, _say, now=now)
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
            _say(str(error))
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

    archive = backup.open_archive(services)
    restore.check(archive, manifest.read(archive, name), _say)


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
    restore.restore(services, archive, manifest.read(archive, name), _say, **options)
