"""Calls to servers of others: to the internet, and to nothing inside.

A name is looked up once, and the address that was checked is the one that is called. So a name that changes its address
between the two (DNS rebinding) reaches nothing else. Redirects are not followed, and no proxy is used.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from types import MappingProxyType
from typing import Any

import msgspec
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052; the last 32 bits are an address of IPv4
_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that IANA gives to the internet
# 6to4 and Teredo carry an address of IPv4, which their relays would call. The last ones are of documents.
_NOT_INTERNET = tuple(map(ipaddress.ip_network, ("2002::/16", "2001::/32", "192.88.99.0/24", "3fff::/20")))
_FAILURES = (OSError, HTTPException, LocationParseError, UnicodeError)
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_PORTS = {"http": 80, "https": 443}


class HttpAnswer(msgspec.Struct, frozen=True):
    """The status of an answer, and its body, if that was asked for."""

    status: int
    body: bytes


class NoAnswer(Exception):
    """The other side did not answer, or wrongly. The text says it in a few words, without addresses of the inside."""


class NotPublic(OSError):
    """The address is not one of the internet."""


class TooLong(OSError):
    """The body of the answer is longer than was asked for."""


class Outgoing:
    """Makes calls, each on a connection of its own. Thread-safe.

    A call takes at most `seconds`, however slowly the resolver and the other side answer. `allow_private` lets calls
    reach any address. Certificates are checked by the authorities in the file `authorities`, or by the system's.
    """

    def __init__(self, seconds: float, *, allow_private: bool, authorities: str | None = None) -> None:
        self._seconds = seconds
        self._allow_private = allow_private
        self._tls = ssl.create_default_context(cafile=authorities)
        self._tls.set_alpn_protocols(["http/1.1"])

    def call(
        self, method: str, url: str, headers: Mapping[str, str] = NO_HEADERS, body: bytes = b"", most_bytes: int = 0
    ) -> HttpAnswer:
        """Makes a call. Reads up to `most_bytes` of the body of an answer 200, and of others nothing.

        Raises:
            NoAnswer: there is none, or its body is longer.
        """
        try:
            return self._call(method, url, headers, body, most_bytes)
        except _FAILURES as failure:
            raise NoAnswer(_words(failure)) from failure

    def _call(self, method: str, url: str, headers: Mapping[str, str], body: bytes, most_bytes: int) -> HttpAnswer:
        place = parse_url(url)
        if place.scheme not in _PORTS or not place.host:
            raise NotPublic("the address is no http or https URL")
        host, port = place.host.strip("[]").rstrip("."), place.port or _PORTS[place.scheme]
        secure = place.scheme == "https"
        connection = HTTPSConnection(host, port, context=self._tls) if secure else HTTPConnection(host, port)
        connection.auto_open = 0  # it uses the socket that it is given, and never opens one itself
        guard = Guard(allow_private=self._allow_private)
        limit = threading.Timer(self._seconds, guard.cut)
        limit.daemon = True
        limit.start()
        try:
            opened = guard.open(host, port, self._seconds)
            connection.sock = self._tls.wrap_socket(opened, server_hostname=host) if secure else opened
            connection.request(method, place.request_uri, body, headers)
            answer = connection.getresponse()
            content = answer.read(most_bytes + 1) if most_bytes and answer.status == HTTPStatus.OK else b""
        except _FAILURES as error:
            if guard.is_cut:
                raise self._too_late() from error
            raise
        else:
            if guard.is_cut:  # in the middle of the headers or the body, which looks like their end
                raise self._too_late()
            if len(content) > most_bytes:
                raise TooLong(f"the answer has more than {most_bytes} bytes")
            return HttpAnswer(answer.status, content)
        finally:
            limit.cancel()
            connection.close()
            guard.close()

    def _too_late(self) -> TimeoutError:
        return TimeoutError(f"no answer within {self._seconds:g} s")


class Guard:
    """Opens the socket of one call, to an address that is allowed, and can cut it off at any moment."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._lock = threading.Lock()
        self._copy: socket.socket | None = None
        self.is_cut = False

    def open(self, host: str, port: int, seconds: float) -> socket.socket:
        """Connects to the first address of `host` that answers. Raises `NotPublic` if one of them is not allowed."""
        found = _look_up(host, port, seconds)
        for *_, place in found:
            if not self._allow_private and not is_public(str(place[0])):
                raise NotPublic(f"{place[0]} is not an address of the internet")
        failure: OSError = OSError(f"{host} has no address")
        for family, kind, protocol, _, place in found:
            opened = socket.socket(family, kind, protocol)
            try:
                opened.settimeout(seconds)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the body follows the headers at once
                self._keep(opened)
                opened.connect(place)
            except OSError as error:
                opened.close()
                failure = error
            else:
                return opened
        raise failure

    def cut(self) -> None:
        """Ends the connection, whatever it is waiting for."""
        with self._lock:
            self.is_cut = True
            if self._copy is not None:
                with suppress(OSError):
                    self._copy.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            if self._copy is not None:
                self._copy.close()
                self._copy = None

    def _keep(self, opened: socket.socket) -> None:
        """Keeps a second descriptor of the socket: TLS takes the first one over."""
        self.close()
        with self._lock:
            if self.is_cut:
                raise TimeoutError("the time is over")
            self._copy = opened.dup()


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet: no private, loopback, link-local, shared or multicast one.

    A mapped address of IPv6, and one of NAT64, is judged by the address of IPv4 in it. Those of tunnels are refused.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found in _NAT64:
            found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        elif found not in _UNICAST:
            return False
    return found.is_global and not found.is_multicast and not any(found in each for each in _NOT_INTERNET)


def _look_up(host: str, port: int, seconds: float) -> list[Any]:
    """The places of a name, in a thread of its own: nothing can interrupt a resolver that hangs."""
    found: Future[list[Any]] = Future()

    def look_up() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            found.set_exception(error)

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    try:
        return found.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"no answer within {seconds:g} s") from None


def _words(error: Exception) -> str:
    """A few words for people, without addresses of the inside."""
    match error:
        case TimeoutError():
            return str(error) or "no answer in time"
        case NotPublic() | TooLong():
            return str(error)
        case socket.gaierror():
            return "the name is not known"
        case ssl.SSLError():
            return f"TLS failed: {getattr(error, 'verify_message', '') or error.reason or 'no handshake'}"
        case ConnectionRefusedError():
            return "the connection was refused"
        case _:
            return f"no answer: {type(error).__name__}"
