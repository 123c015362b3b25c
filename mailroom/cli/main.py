"""All commands together."""

from __future__ import annotations

import click

from mailroom.cli.backups import backups
from mailroom.cli.keys import keys
from mailroom.cli.presets import presets
from mailroom.cli.senders import senders
from mailroom.cli.support import say, with_services
from mailroom.cli.templates import templates
from mailroom.platform import settings
from mailroom.services import Services


@click.group()
def main() -> None:
    """Set-up, API keys, senders, templates, presets, backups, settings.

    Settings and secrets are those of the functions.
    """


@main.command()
@with_services
def setup(services: Services) -> None:
    """Make indexes, buckets and event rules. It can be repeated."""
    from mailroom.deploy import setup as steps

    steps.run(services, say)


@main.command("settings")
@with_services
def print_settings(_: Services) -> None:
    """Print all settings with their defaults."""
    click.echo(settings.table(), nl=False)


for group in (keys, senders, templates, presets, backups):
    main.add_command(group)
