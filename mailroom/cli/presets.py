"""Presets: how the files of a folder are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mailroom.cli.support import BY_COMMAND, CommandFailed, newest_versions, read_file, with_services
from mailroom.errors import Refusal
from mailroom.platform.clock import rfc3339
from mailroom.services import Services

if TYPE_CHECKING:
    from mailroom.invoices.presets.store import Presets


@click.group()
def presets() -> None:
    """Presets: how the files of a folder are read."""


@presets.command("list")
@with_services
def list_presets(services: Services) -> None:
    """Print name, prefix, newest version and its time of each preset. `-`: it is used only where it is named."""
    for each in newest_versions(_presets(services)):
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
        given = msgspec.json.decode((read_file(file) or "").encode(), type=dict[str, Preset])
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
