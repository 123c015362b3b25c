"""What waits in a running deployment, and why: as its APIs say, and as the bucket shows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlencode

import urllib3
from minio.error import MinioException

from local.client import s3_client
from local.doctor.checks import CALL_SECONDS, Finding

# What has waited for less long is at work.
LONG = timedelta(minutes=5)

# So many objects are listed, and so many of the newest looked up: a list is in the order of the names.
LISTED, LOOKED_UP = 10_000, 20

# An event comes within seconds.
UNDER_WAY = timedelta(minutes=2)

FIXES = {
    "worker": "See whether it runs and what its log says (make logs), and whether its schedule runs: the service "
    "schedule / the CronJobs or cron-connector",
    "setup": "Run the set-up: docker compose up setup / k8s/apply OVERLAY",
    "secret": "Write it (docs/operations.md, Rotate a secret): it is read again by itself",  # pragma: allowlist secret
    "relay": "See whether the relay runs, and whether SMTP_HOST, SMTP_PORT, SMTP_TLS and the secrets mailroom-smtp-* "
    "are right: what waits is sent by itself then",
    "server": "See whether that server runs: the work goes on by itself then",
    "backup": "See the log of the service backups / the CronJob backup: docs/operations.md, A backup failed",
    "person": "POST …/resend sends it again",
    "turn": "Add a replica if that is often so (docs/scaling.md)",
}
_SEE_LOG = "See the log of the function (make logs)"


def health(url: str, key: str) -> Iterator[Finding]:
    """Set-up is as new as the code, every worker was called lately and can work, no import waits for long."""
    answer = _ask(f"{url}/function/invoices/health", key)
    if isinstance(answer, Finding):
        yield answer
        return
    for check in answer["checks"]:
        yield Finding(check["text"], "" if check["healthy"] else FIXES.get(check["code"], _SEE_LOG))


def oldest_message(url: str, key: str) -> Finding:
    """No message waits for long."""
    answer = _ask(f"{url}/function/notifications/figures/messages", key)
    if isinstance(answer, Finding):
        return answer
    found = answer["oldestWaiting"]
    if not found or datetime.now(UTC) - datetime.fromisoformat(found["since"]) < LONG:
        return Finding("No message waits for long")
    waiting = found["waitingFor"] or {"code": "", "text": ""}
    text = f"The message {found['id']} waits since {found['since']}. {waiting['text']}".strip()
    return Finding(text, FIXES.get(waiting["code"], _SEE_LOG))


def events(endpoint: str, user: str, password: str, bucket: str, url: str, key: str) -> Finding:
    """The newest versions of objects in the bucket have their imports: their events came."""
    client = s3_client(endpoint, user, password, CALL_SECONDS, retries=False)
    before = datetime.now(UTC) - UNDER_WAY
    try:
        listed = list(islice(client.list_objects(bucket, recursive=True, include_version=True), LISTED))
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        return Finding(f"the bucket {bucket} cannot be listed: {error}", "Correct S3_ENDPOINT or its keys")
    settled = [each for each in listed if not each.is_delete_marker and (each.last_modified or before) < before]
    newest = sorted(settled, key=lambda each: each.last_modified or before)[-LOOKED_UP:]
    for each in reversed(newest):
        version = {"versionId": each.version_id} if each.version_id not in (None, "null") else {}
        query = urlencode({"bucket": bucket, "key": each.object_name, **version})
        answer = _ask(f"{url}/function/invoices/imports?{query}", key)
        if isinstance(answer, Finding):
            return answer
        if not answer["items"]:
            waiting = answer.get("waitingFor") or {"code": "event", "text": ""}
            text = f"the object {each.object_name} of {bucket} has no import. {waiting['text']}".strip()
            return Finding(text, FIXES.get(waiting["code"], _EVENT_FIX))
    return Finding(f"the {len(newest)} newest files of {bucket} have imports")


_EVENT_FIX = (
    "See the log of invoice-events, and .mailroom-events on MinIO's volume. The comparison of the bucket imports it "
    "in the end, POST …/imports at once"
)


def _ask(url: str, key: str) -> Any:
    """The answer of an API, or a finding when there is none."""
    try:
        answer = urllib3.request(
            "GET", url, headers={"Authorization": f"Bearer {key}"}, timeout=6 * CALL_SECONDS, retries=False
        )
    except urllib3.exceptions.HTTPError as error:
        return Finding(f"{url} does not answer: {error}", _SEE_LOG)
    if answer.status == 403:
        return Finding(f"the API key may not read {url}: what that tells is not known (API_KEY names another key)")
    if answer.status == 404:
        return Finding(f"{url} is not there: its functions are of an earlier version", "Upgrade: docs/operations.md")
    if answer.status != 200:
        return Finding(f"{url} answers {answer.status}", _SEE_LOG)
    return answer.json()
