"""All checks of a domain that mail is sent from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from mailroom.errors import MailroomError, Unavailable
from mailroom.notifications.domains import dkim_record, dmarc, spf
from mailroom.notifications.domains.finding import Finding, Grade
from mailroom.notifications.domains.lookup import Lookup
from mailroom.notifications.message.dkim import DkimSigner
from mailroom.notifications.message.dkim_keys import DkimKeys

_MOST_SERVERS = 10  # of a domain that are looked up


def run(domain: str, envelope: str, keys: DkimKeys, selector: str | None, lookup: Lookup) -> Iterator[Finding]:
    """Checks the domain in From, and the domain `envelope` of the return path. Both are in ASCII.

    With a `selector`, its record is checked and compared with no key.
    """
    signer, unusable = _signer(domain, keys, selector)
    for name in dict.fromkeys((domain, envelope)):
        yield _told("MX", partial(_mail_servers, name, lookup))
    yield _told("SPF", partial(spf.check, envelope, lookup))
    if signer is None:
        yield unusable
    else:
        yield _told("DKIM", partial(dkim_record.check, signer, lookup, compare=selector is None))
    signs = signer.domain.lower() if signer else ""
    yield _told("DMARC", partial(dmarc.check, domain, lookup, signs=signs, envelope=envelope))


def _signer(domain: str, keys: DkimKeys, selector: str | None) -> tuple[DkimSigner | None, Finding]:
    """The signer of the domain's mail, or a finding that says why there is none."""
    detail = f"mail from {domain} is not signed: neither DKIM_SELECTOR nor the secret has a key for it"
    try:
        signer = keys.signer(domain) if selector is None else DkimSigner(domain, selector, str)
    except MailroomError as error:
        signer, detail = None, str(error)
    return signer, Finding("DKIM", Grade.FAILED, detail)


def _mail_servers(domain: str, lookup: Lookup) -> Finding:
    servers = lookup.mail_servers(domain)[:_MOST_SERVERS]
    if not servers:
        if lookup.has_address(domain):
            return Finding("MX", Grade.WARNING, f"{domain} has no MX record: mail to it goes to its address record")
        return Finding("MX", Grade.FAILED, f"{domain} takes no mail: bounces and replies are lost")
    if servers == ["."]:
        return Finding("MX", Grade.FAILED, f"{domain} says that it takes no mail: bounces and replies are lost")
    if not any(lookup.has_address(each) for each in servers):
        return Finding("MX", Grade.FAILED, f"no mail server of {domain} has an address: {', '.join(servers)}")
    return Finding("MX", Grade.OK, f"mail to {domain} goes to {', '.join(servers)}")


def _told(check: str, run: Callable[[], Finding]) -> Finding:
    try:
        return run()
    except Unavailable as error:
        return Finding(check, Grade.UNKNOWN, str(error))
