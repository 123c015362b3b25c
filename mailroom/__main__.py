"""`python -m mailroom`: set-up, API keys, templates, backups, settings.

Settings and secrets are those of the functions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta

from pymongo.errors import PyMongoError

from mailroom.backups import commands as backups
from mailroom.errors import MailroomError
from mailroom.notifications.templates import commands as templates
from mailroom.platform import settings
from mailroom.platform.api_keys import SCOPES
from mailroom.platform.clock import rfc3339
from mailroom.services import Services
from mailroom.web.paging import optional_time


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        services = Services.from_environment()
        try:
            result: int = options.run(services, options)
        finally:
            services.close()
    except (MailroomError, PyMongoError) as error:
        print(f"mailroom: {error}", file=sys.stderr)
        return 1
    return result


def _setup(services: Services, _: argparse.Namespace) -> int:
    from mailroom.deploy import setup  # the object store's client, which keys do not need

    setup.run(services, lambda line: print(line, file=sys.stderr))
    return 0


def _settings(_: Services, __: argparse.Namespace) -> int:
    print(settings.table(), end="")
    return 0


def _create(services: Services, options: argparse.Namespace) -> int:
    expires = timedelta(days=options.expires_days) if options.expires_days else None
    key = services.keys.create(options.name, options.scope, expires)
    print(f"made the key {key.id}; it is shown only now:", file=sys.stderr)
    print(key.text)
    return 0


def _list(services: Services, _: argparse.Namespace) -> int:
    for key in services.keys.all():
        ends = optional_time(key, "revokedAt") or optional_time(key, "expiresAt")
        state = "revoked" if key["revokedAt"] else "until" if key["expiresAt"] else "valid"
        columns = (str(key["_id"]), key["name"], " ".join(key["scopes"]), rfc3339(key["createdAt"]), state, ends or "")
        print("\t".join(columns).rstrip())
    return 0


def _revoke(services: Services, options: argparse.Namespace) -> int:
    if not services.keys.revoke(options.id):
        print(f"mailroom: there is no key {options.id}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mailroom", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("setup", help="make indexes, buckets and event rules (idempotent)").set_defaults(run=_setup)
    commands.add_parser("settings", help="print all settings with their defaults").set_defaults(run=_settings)

    keys = commands.add_parser("keys", help="API keys").add_subparsers(required=True, metavar="COMMAND")
    create = keys.add_parser("create", help="make a key and print it")
    create.add_argument("--name", required=True, help="whose it is, for people")
    create.add_argument("--scope", action="append", required=True, choices=SCOPES, help="may be repeated")
    create.add_argument("--expires-days", type=float, help="days until it expires (default: never)")
    create.set_defaults(run=_create)
    keys.add_parser("list", help="id, name, scopes, creation, state").set_defaults(run=_list)
    revoke = keys.add_parser("revoke", help="end a key, on every replica within seconds")
    revoke.add_argument("id", help="as `keys list` shows it")
    revoke.set_defaults(run=_revoke)
    templates.add_to(commands)
    backups.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
