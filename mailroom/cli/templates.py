"""Templates of mail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import asdict

from mailroom.cli.support import BY_COMMAND, newest_versions, read_file, with_services
from mailroom.platform.clock import rfc3339
from mailroom.services import Services

if TYPE_CHECKING:
    from mailroom.notifications.templates.store import Templates


@click.group()
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

    content = Content(subject, read_file(html), read_file(text))
    rendering.check(name, content)
    document, _ = _templates(services).put(name, asdict(content), BY_COMMAND)
    click.echo(f"{name}\t{document['version']}")


@templates.command("list")
@with_services
def list_templates(services: Services) -> None:
    """Print name, newest version and its time of each template."""
    for each in newest_versions(_templates(services)):
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
