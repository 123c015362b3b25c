"""`python -m mailroom templates`: lists, shows and changes stored templates, from files too."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mailroom.errors import MailroomError
from mailroom.notifications.templates import rendering
from mailroom.notifications.templates.store import Content, Templates
from mailroom.platform.clock import rfc3339
from mailroom.platform.server_clock import ServerClock
from mailroom.services import Services

BY_COMMAND = "command"  # the `keyId` of versions that this command makes

_LISTED_AT_ONCE = 100


class NoSuchFile(MailroomError):
    """A source cannot be read."""


def add_to(commands: Any) -> None:
    """Adds the command, with its own commands."""
    own = commands.add_parser("templates", help="templates of mail").add_subparsers(required=True, metavar="COMMAND")
    put = own.add_parser("put", help="make a new version, unless nothing changed")
    put.add_argument("name")
    put.add_argument("--subject", required=True)
    put.add_argument("--html", type=Path, help="file with the HTML")
    put.add_argument("--text", type=Path, help="file with the text (default: made from the HTML)")
    put.set_defaults(run=_put)
    own.add_parser("list", help="name, newest version, time").set_defaults(run=_list)
    show = own.add_parser("show", help="print the sources")
    show.add_argument("name")
    show.add_argument("--version", type=int, help="default: the newest")
    show.set_defaults(run=_show)
    delete = own.add_parser("delete", help="end a template; its versions can still be shown by number")
    delete.add_argument("name")
    delete.set_defaults(run=_delete)


def _put(services: Services, options: argparse.Namespace) -> int:
    content = Content(options.subject, _read(options.html), _read(options.text))
    rendering.check(options.name, content)
    document, _ = _templates(services).put(options.name, content, BY_COMMAND)
    print(f"{options.name}\t{document['version']}")
    return 0


def _list(services: Services, _: argparse.Namespace) -> int:
    last: str | None = ""
    while last is not None:
        items, last = _templates(services).page(_LISTED_AT_ONCE, last)
        for each in items:
            print(each["name"], each["version"], rfc3339(each["createdAt"]), sep="\t")
    return 0


def _show(services: Services, options: argparse.Namespace) -> int:
    found = _templates(services).find(options.name, options.version)
    for part, source in found["content"].items():
        if source is not None:
            print(f"--- {part} of {found['name']}, version {found['version']}\n{source}")
    return 0


def _delete(services: Services, options: argparse.Namespace) -> int:
    _templates(services).delete(options.name, BY_COMMAND)
    return 0


def _templates(services: Services) -> Templates:
    return Templates(services.database["templates"], ServerClock(services.database))


def _read(path: Path | None) -> str | None:
    try:
        return None if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NoSuchFile(f"{path} cannot be read: {error}") from error
