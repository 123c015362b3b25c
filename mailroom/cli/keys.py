"""API keys."""

from __future__ import annotations

from datetime import timedelta

import click

from mailroom.cli.support import CommandFailed, say, with_services
from mailroom.keys.codes import MINUTES, LoginCodes
from mailroom.platform.api_keys import MOST_DAYS, SCOPES
from mailroom.platform.clock import rfc3339
from mailroom.services import Services


@click.group()
def keys() -> None:
    """API keys."""


def _patterns(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    from mailroom.notifications.model.senders import pattern

    try:
        return tuple(pattern(each) for each in given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _expiry(_context: click.Context, _option: click.Parameter, days: float | None) -> timedelta | None:
    if days is None:
        return None
    if not 0 < days <= MOST_DAYS:  # also refuses NaN
        raise click.BadParameter(f"must be more than 0 and at most {MOST_DAYS}")
    return timedelta(days=days)


@keys.command("create")
@click.option("--name", required=True, help="Whose it is, for people.")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="May be repeated.")
@click.option(
    "--expires-days", "expires", type=float, callback=_expiry, help="Days until it expires. By default it never does."
)
@click.option(
    "--from",
    "senders",
    multiple=True,
    callback=_patterns,
    help="Address that it may send from, or *@DOMAIN. May be repeated. By default MAIL_FROM alone.",
)
@with_services
def create_key(
    services: Services, name: str, scopes: tuple[str, ...], expires: timedelta | None, senders: tuple[str, ...]
) -> None:
    """Make a key and print it."""
    key = services.keys.create(name, list(scopes), expires, senders)
    say(f"made the key {key.id}; it is shown only now:")
    click.echo(key.text)


@keys.command("code")
@click.option("--name", default="console", show_default=True, help="Name of the session, for people.")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="May be repeated.")
@click.option("--minutes", type=click.FloatRange(0, 60, min_open=True), default=MINUTES, show_default=True)
@with_services
def create_code(services: Services, name: str, scopes: tuple[str, ...], minutes: float) -> None:
    """Print a code that starts one session of the console: its link if PUBLIC_URL is set, else the code alone."""
    code = LoginCodes(services.database, services.clock).create(name, scopes, timedelta(minutes=minutes))
    say(f"valid once, within {minutes:g} minutes; it is shown only now:")
    base = services.settings.public_url.rstrip("/")
    click.echo(f"{base}/function/console/enter?code={code}" if base else code)


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
