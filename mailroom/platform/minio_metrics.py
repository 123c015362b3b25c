"""What MinIO tells of itself, from its metrics. The user needs the right `admin:Prometheus`."""

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
_QUEUED = re.compile(r"^minio_notify_target_queue_length\{([^}]*)\} (\S+)$", re.MULTILINE)
_DRIVES = re.compile(r"^minio_node_d(?:isk|rive)_(free|total)_bytes(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_VALID_SECONDS = 300


def read(endpoint: str, access_key: str, secret_key: str, timeout: float) -> str:
    """The metrics of the server; empty if it does not tell, or is not MinIO."""
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
        log.info("the object store does not tell its metrics: %s", type(error).__name__)
        return ""
    if answer.status != 200:
        log.info("the object store does not tell its metrics: status %d", answer.status)
        return ""
    return answer.data.decode(errors="replace")


def started_at(metrics: str) -> float | None:
    """Unix seconds on the clock of MinIO; None if the metrics do not tell."""
    found = _STARTED.search(metrics)
    return float(found[1]) if found else None


def events_waiting(metrics: str, arn: str) -> float | None:
    """The events in the queue of this target, such as `arn:minio:sqs::MAILROOM:webhook`; None without a queue."""
    target = f'target_id="{arn.split(":")[-2]}"' if arn.count(":") > 1 else None
    return next((float(value) for labels, value in _QUEUED.findall(metrics) if target in labels.split(",")), None)


def disk(metrics: str) -> tuple[float, float] | None:
    """The free and all bytes of the disks; None if the metrics do not tell."""
    found = _DRIVES.findall(metrics)
    free, total = (sum(float(value) for kind, value in found if kind == wanted) for wanted in ("free", "total"))
    return (free, total) if total else None


def _token(access_key: str, secret_key: str) -> str:
    """A JSON Web Token as MinIO wants it for its metrics, signed with the user's secret key."""
    claims = {"exp": int(time.time()) + _VALID_SECONDS, "sub": access_key, "iss": "prometheus"}
    content = ".".join(_encode(json.dumps(each).encode()) for each in ({"alg": "HS512", "typ": "JWT"}, claims))
    signature = hmac.digest(secret_key.encode(), content.encode(), hashlib.sha512)
    return f"{content}.{_encode(signature)}"


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
