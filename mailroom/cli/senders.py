"""Domains that mail is sent from."""

from __future__ import annotations

import click

from mailroom.cli.support import CommandFailed, with_services
from mailroom.services import Services


@click.group()
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
    keys = components.dkim_keys(services)
    envelope = components.return_domain(services) or own
    bad = 0
    for each in checks.run(own, envelope, keys, selector, Lookup(services.settings.dns_resolver)):
        click.echo(f"{each.grade}\t{each.check}\t{each.text}")
        bad += each.grade in (Grade.FAILED, Grade.UNKNOWN)
    if bad:
        raise CommandFailed(f"{domain} is not ready to send from")
