"""The network address of the caller of a route without a key.

The function runtime sees its watchdog only. The gateway in front names the caller in `X-Forwarded-For`; the last entry
is the one that the proxy nearest to us added, and the entries before it are what callers claim.
"""

from __future__ import annotations

import ipaddress

from flask import request

_IPV6_NETWORK = 64  # bits: what one connection to the internet has to itself


def client_address() -> str:
    """The IPv4 address, or the network of the IPv6 address; empty when no proxy tells."""
    last = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    for text in (last, last.rpartition(":")[0]):  # OpenFaaS' gateway adds the port
        try:
            address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
        except ValueError:
            continue
        if isinstance(address, ipaddress.IPv4Address):
            return str(address)
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))
    return ""
