"""When MinIO was started, from its metrics. The user needs the right `admin:Prometheus`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import time

log = logging.getLogger(__name__)

_PATH = "/minio/v2/metrics/node"
_STARTED = re.compile(r"^minio_process_start_time_seconds(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_VALID_SECONDS = 300


def minio_started_at(endpoint: str, access_key: str, secret_key: str, timeout: float) -> float | None:
    """Unix seconds on the clock of MinIO; None if the server does not tell, or is not MinIO."""
    import urllib3

    token = _token(access_key, secret_key)
    try:
        answer = urllib3.request(
            "GET",
            endpoint.rstrip("/") + _PATH,
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout,
            retries=False,
        )
    except urllib3.exceptions.HTTPError as error:
        log.info("the object store does not tell when it was started: %s", type(error).__name__)
        return None
    found = _STARTED.search(answer.data.decode(errors="replace")) if answer.status == 200 else None
    if found is None:
        log.info("the object store does not tell when it was started: status %d", answer.status)
        return None
    return float(found[1])


def _token(access_key: str, secret_key: str) -> str:
    """A JSON Web Token as MinIO wants it for its metrics, signed with the user's secret key."""
    claims = {"exp": int(time.time()) + _VALID_SECONDS, "sub": access_key, "iss": "prometheus"}
    content = ".".join(_encode(json.dumps(each).encode()) for each in ({"alg": "HS512", "typ": "JWT"}, claims))
    signature = hmac.digest(secret_key.encode(), content.encode(), hashlib.sha512)
    return f"{content}.{_encode(signature)}"


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
