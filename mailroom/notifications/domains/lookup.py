"""Lookups in the DNS."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from mailroom.errors import InvalidSetting, Unavailable

SECONDS = 5.0  # of one lookup, with all its repeats

_WITH_PORT = re.compile(r"(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})")
_DNS_PORT = 53


class Lookup:
    """Asks the DNS server `server` (`ADDRESS` or `ADDRESS:PORT`), or without it those of the system."""

    def __init__(self, server: str = "", seconds: float = SECONDS) -> None:
        """Raises `InvalidSetting` if `server` is no address, or if the system has no DNS servers."""
        try:
            self._resolver = dns.resolver.Resolver(configure=not server)
        except dns.exception.DNSException as error:
            raise InvalidSetting(f"the system names no DNS server, set DNS_RESOLVER: {error}") from error
        if server:
            address, self._resolver.port = _address_and_port(server)
            self._resolver.nameservers = [address]
        self._resolver.lifetime = seconds

    def texts(self, name: str) -> list[str]:
        """The TXT records of `name`, each in one piece.

        Raises:
            Unavailable: the servers do not answer, or with an error. Whether there are records is not known.
        """
        return [b"".join(each.strings).decode("utf-8", "replace") for each in self._records(name, "TXT")]

    def mail_servers(self, name: str) -> list[str]:
        """The hosts of the MX records of `name`, the preferred ones first; `.` for no mail. Raises as `texts`."""
        found = sorted(self._records(name, "MX"), key=lambda each: each.preference)
        return [each.exchange.to_text(omit_final_dot=True) for each in found]

    def has_address(self, name: str) -> bool:
        """Whether `name` has an A or AAAA record. Raises as `texts`."""
        return bool(self._records(name, "A") or self._records(name, "AAAA"))

    def _records(self, name: str, kind: str) -> list[Any]:
        try:
            absolute = dns.name.from_text(name)
            return list(self._resolver.resolve(absolute, dns.rdatatype.from_text(kind), search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.LabelTooLong, dns.name.NameTooLong):
            return []
        except dns.exception.DNSException as error:
            raise Unavailable(f"the DNS does not tell the {kind} records of {name}: {type(error).__name__}") from error


def _address_and_port(server: str) -> tuple[str, int]:
    parts = _WITH_PORT.fullmatch(server)
    address, port = (parts[1] or parts[2], int(parts[3])) if parts else (server, _DNS_PORT)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise InvalidSetting(f"DNS_RESOLVER is {server!r}: must be the address of a server, or ADDRESS:PORT") from None
    return address, port
