"""What the commands share."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from pymongo.errors import PyMongoError

from mailroom.errors import MailroomError
from mailroom.platform.mongo import Document
from mailroom.platform.versioned import VersionedDocuments
from mailroom.services import Services

BY_COMMAND = "command"  # the `keyId` of the versions of templates and presets that commands make

_LISTED_AT_ONCE = 100


class CommandFailed(MailroomError):
    """The command does not do what was asked for. The message says why."""


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
            say(f"mailroom: {error}")
            sys.exit(1)

    return run


def newest_versions(store: VersionedDocuments) -> Iterator[Document]:
    """The newest version of each document of the store, by name."""
    last: str | None = ""
    while last is not None:
        items, last = store.page(_LISTED_AT_ONCE, last)
        yield from items


def say(line: str) -> None:
    """Tells people. What programs read goes to standard output."""
    click.echo(line, err=True)


def read_file(path: Path | None) -> str | None:
    """The text of a file, or None without a file. Raises `CommandFailed`."""
    try:
        return None if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}") from error
