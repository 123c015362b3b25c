"""`python -m local.verify`: uploads a file, waits for its import, sends a notification, waits until it is sent.

It works with any gateway. The environment names the target: GATEWAY, API_KEY, S3_ENDPOINT, S3_ACCESS_KEY,
S3_SECRET_KEY, INVOICES_BUCKET, EMAIL_TO. Without credentials it uses those that `make up` made.
One invoice and one notification stay in the deployment.
"""

import argparse
import os
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error, ServerError

from local import addresses

SECRETS = Path(__file__).parents[1] / "compose" / "secrets"
# A lost kick costs a minute, a lost event two or three. A worker may have to wait for a lease to expire.
WAIT_SECONDS = 240.0
EVENT_SECONDS = 55.0  # later the reconciliation may find the file: it skips files younger than a minute
POLL_SECONDS = 0.2
CALL_SECONDS = 10.0
LOOK_AT_EVENTS = "Look at the event rule of the bucket (`setup` makes it), at MinIO's log and that of invoice-events."


class VerifyError(Exception):
    """The deployment does not work. The message says what failed and where to look."""


class Deployment:
    """The deployment's gateway and its object store."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.gateway = addresses.gateway(variables)
        self.key = variables.get("API_KEY") or _made("api-key")
        self.bucket = variables.get("INVOICES_BUCKET", "invoices")
        self.email_to = variables.get("EMAIL_TO", "accounts@example.com")
        self.endpoint = addresses.s3(variables)
        url = urlsplit(self.endpoint)
        self._http = urllib3.PoolManager(timeout=CALL_SECONDS, retries=False)
        self._store = Minio(
            url.netloc,
            variables.get("S3_ACCESS_KEY") or _made("people-s3-access-key"),
            variables.get("S3_SECRET_KEY") or _made("people-s3-secret-key"),
            secure=url.scheme == "https",
            http_client=urllib3.PoolManager(timeout=CALL_SECONDS, retries=urllib3.Retry(3, backoff_factor=0.2)),
        )

    def upload(self, key: str, text: str) -> dict[str, Any] | None:
        """Uploads a text. Returns None while the store is not ready. Raises VerifyError when the store refuses."""
        body = text.encode()
        try:
            self._store.put_object(self.bucket, key, BytesIO(body), len(body), content_type="text/csv")
        except (ServerError, urllib3.exceptions.HTTPError):
            return None
        except MinioException as error:
            if isinstance(error, S3Error) and error.response.status >= 500:
                return None
            raise VerifyError(f"the upload to {self.endpoint}/{self.bucket} failed: {error}") from error
        return {"key": key}

    def call(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **arguments: Any
    ) -> dict[str, Any] | None:
        """The JSON answer of a function; None while it is not ready. Raises VerifyError when it refuses."""
        url = f"{self.gateway}/function/{path}"
        headers = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        try:
            answer = self._http.request(method, url, headers=headers, **arguments)
        except urllib3.exceptions.HTTPError:
            return None
        if answer.status >= 500:
            return None
        if answer.status >= 400:
            raise VerifyError(f"{method} {url} answered {answer.status}: {answer.data.decode()}")
        found: dict[str, Any] = answer.json()
        return found


def main() -> int:
    """Returns 0 when both steps succeed."""
    parser = argparse.ArgumentParser(prog="python -m local.verify", description=__doc__)
    parser.add_argument(
        "--patient", action="store_true", help="accept a lost event: the reconciliation finds the file later"
    )
    patient = parser.parse_args().patient
    try:
        deployment = Deployment(os.environ)
        print(f"Verifying {deployment.gateway}")
        _timed("a file was imported", lambda: import_file(deployment, patient))
        _timed("a notification was sent", lambda: send_notification(deployment))
    except VerifyError as error:
        print(f"verify: {error}", file=sys.stderr)
        return 1
    return 0


def import_file(deployment: Deployment, patient: bool) -> None:
    """Uploads one invoice and waits until the list has it. Unless `patient`, an event must start the import."""
    name = f"verify-{uuid.uuid4().hex[:12]}"
    today = datetime.now(UTC).date().isoformat()
    text = f"{name},{today},119.00,100.00,19.00,Mailroom verification,Here 1,EUR,paid\n"
    _wait("the upload", lambda: deployment.upload(f"{name}.csv", text), f"Is {deployment.endpoint} the S3 server?")
    uploaded = time.monotonic()

    def begun() -> dict[str, Any] | None:
        page = deployment.call("GET", "invoices/imports", fields={"bucket": deployment.bucket, "key": f"{name}.csv"})
        return next(iter((page or {"items": []})["items"]), None)

    def finished() -> dict[str, Any] | None:
        found = begun()
        return found if found and found["finishedAt"] else None

    _wait(f"the import of {name}.csv", begun, LOOK_AT_EVENTS)
    late = time.monotonic() - uploaded
    if late > EVENT_SECONDS and not patient:
        raise VerifyError(f"the import was seen {late:.0f} s after the upload: without an event? {LOOK_AT_EVENTS}")
    done = _wait(f"the end of the import of {name}.csv", finished, "Look at the log of invoice-importer.")
    if done["state"] != "done" or done["counts"]["inserted"] != 1:
        raise VerifyError(f"the import ended {done['state']}, {done['counts']}: {done['error']}")
    found = _wait(
        "the list of invoices",
        lambda: deployment.call("GET", "invoices", fields={"importId": done["id"]}),
        "Look at the log of invoices.",
    )
    if [each["invoiceNumber"] for each in found["items"]] != [name]:
        raise VerifyError(f"the invoice {name} is not in the list: {found}")


def send_notification(deployment: Deployment) -> None:
    """Sends a notification. Its idempotency key makes retries safe."""
    body = {"emailTo": deployment.email_to, "subject": "Mailroom works", "message": "<p>This was a verification.</p>"}
    key = str(uuid.uuid4())

    def accepted() -> dict[str, Any] | None:
        return deployment.call("POST", "notifications", json=body, headers={"Idempotency-Key": key})

    answer = _wait("the function notifications", accepted, "Look at its log.")

    def settled() -> dict[str, Any] | None:
        found = deployment.call("GET", f"notifications/{answer['id']}")
        return found if found and found["status"] not in ("queued", "sending") else None

    done = _wait(f"notification {answer['id']}", settled, "Is the relay there? `GET notifications/ID` lists attempts.")
    if done["status"] != "sent":
        raise VerifyError(f"the notification is {done['status']}: {done}")


def _wait(what: str, find: Callable[[], dict[str, Any] | None], advice: str) -> dict[str, Any]:
    end = time.monotonic() + WAIT_SECONDS
    while (found := find()) is None:
        if time.monotonic() > end:
            raise VerifyError(f"{what} did not come within {WAIT_SECONDS:.0f} s. {advice}")
        time.sleep(POLL_SECONDS)
    return found


def _timed(what: str, step: Callable[[], None]) -> None:
    started = time.monotonic()
    step()
    print(f"  {what}: {time.monotonic() - started:.1f} s", flush=True)


def _made(name: str) -> str:
    try:
        return (SECRETS / name).read_text().strip()
    except OSError as error:
        variable = {"api-key": "API_KEY"}.get(name) or name.removeprefix("people-").replace("-", "_").upper()
        raise VerifyError(f"set {variable}: there is no {SECRETS / name}, which `make up` makes") from error


if __name__ == "__main__":
    sys.exit(main())
