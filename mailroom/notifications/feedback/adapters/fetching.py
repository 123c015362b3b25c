"""A short GET over HTTPS to a server of a provider, bounded in time and bytes."""

from __future__ import annotations

import time

from mailroom.errors import Unavailable

_SECONDS = 5.0
_MOST_BYTES = 64 << 10
_PIECE = 4096


def fetch(url: str, ca_certs: str | None = None, seconds: float = _SECONDS) -> bytes:
    """The body. Follows no redirect, and checks the server's certificate, by `ca_certs` or the system's.

    Raises:
        Unavailable: no answer of 200 within `seconds` and 64 KiB.
    """
    import urllib3

    end = time.monotonic() + seconds
    pool = urllib3.PoolManager(cert_reqs="CERT_REQUIRED", ca_certs=ca_certs)
    try:
        answer = pool.request(
            "GET", url, redirect=False, retries=False, preload_content=False, timeout=urllib3.Timeout(total=seconds)
        )
        try:
            if answer.status != 200:
                raise Unavailable(f"the answer is {answer.status}")
            body = b""
            while piece := answer.read1(_PIECE):
                body += piece
                if len(body) > _MOST_BYTES or time.monotonic() > end:
                    raise Unavailable("the answer is too long, or too slow")
            return body
        finally:
            answer.close()
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable(f"no answer: {type(error).__name__}") from error
    finally:
        pool.clear()
