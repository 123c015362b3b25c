"""A short GET over HTTPS to a server of a provider, bounded in time and bytes."""

from __future__ import annotations

from http import HTTPStatus

from mailroom.errors import Unavailable

_SECONDS = 5.0
_MOST_BYTES = 64 << 10


def fetch(url: str, authorities: str | None = None, seconds: float = _SECONDS, *, allow_private: bool = False) -> bytes:
    """The body. Follows no redirect, and checks the server's certificate, by `authorities` or the system's.

    Raises:
        Unavailable: no answer of 200 within `seconds` and 64 KiB, or the server is not on the internet.
    """
    from mailroom.platform.outgoing import NoAnswer, Outgoing  # loads the HTTP client, which no start waits for

    outgoing = Outgoing(seconds, allow_private=allow_private, authorities=authorities)
    try:
        answer = outgoing.call("GET", url, most_bytes=_MOST_BYTES)
    except NoAnswer as error:
        raise Unavailable(str(error)) from error
    if answer.status != HTTPStatus.OK:
        raise Unavailable(f"the answer is {answer.status}")
    return answer.body
