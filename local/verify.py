"""`python -m local.verify`: uploads a file, waits for its import, sends a notification, waits until it is sent.

It works with any gateway. The environment names the target: GATEWAY, API_KEY, S3_ENDPOINT, S3_ACCESS_KEY,
S3_SECRET_KEY, INVOICES_BUCKET, EMAIL_TO. Credentials that are not given are read from the folder SECRETS_DIR; its
default is the folder of `make up`.
One invoice and one notification stay in the deployment.
"""

import argparse
import os
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from local import addresses
from local.client import BUCKET, Client, ClientError, wait_for

# A lost kick costs a minute, a lost event two or three. A worker may have to wait for a lease to expire.
WAIT_SECONDS = 240.0
EVENT_SECONDS = 55.0  # later the reconciliation may find the file: it skips files younger than a minute
LOOK_AT_EVENTS = "Look at the event rule of the bucket (`setup` makes it), at MinIO's log and that of invoice-events."


def main() -> int:
    """Returns 0 when both steps succeed."""
    parser = argparse.ArgumentParser(prog="python -m local.verify", description=__doc__)
    parser.add_argument(
        "--patient", action="store_true", help="accept a lost event: the reconciliation finds the file later"
    )
    patient = parser.parse_args().patient
    variables = os.environ
    try:
        info = deployment(variables)
        client = Client(info)
        print(f"Verifying {info['gateway']}")
        started = time.monotonic()
        import_file(client, variables.get("INVOICES_BUCKET", BUCKET), patient)
        print(f"  a file was imported: {time.monotonic() - started:.1f} s", flush=True)
        started = time.monotonic()
        send_notification(client, variables.get("EMAIL_TO", "accounts@example.com"))
        print(f"  a notification was sent: {time.monotonic() - started:.1f} s", flush=True)
    except ClientError as error:
        print(f"verify: {error}", file=sys.stderr)
        return 1
    return 0


def deployment(variables: Mapping[str, str]) -> dict[str, Any]:
    """The addresses and credentials of the deployment. Raises ClientError when a credential is missing."""

    def credential(variable: str, secret: str) -> str:
        if value := variables.get(variable) or addresses.secret(secret, variables):
            return value
        raise ClientError(f"set {variable}: there is no {addresses.secrets(variables) / secret}, which `make up` makes")

    return {
        "gateway": addresses.gateway(variables),
        "apiKey": credential("API_KEY", "api-key"),
        "minio": {
            "endpoint": addresses.s3(variables),
            "accessKey": credential("S3_ACCESS_KEY", "people-s3-access-key"),
            "secretKey": credential("S3_SECRET_KEY", "people-s3-secret-key"),
        },
    }


def import_file(client: Client, bucket: str, patient: bool) -> None:
    """Uploads one invoice and waits until the list has it. Unless `patient`, an event must start the import."""
    name = f"verify-{uuid.uuid4().hex[:12]}"
    today = datetime.now(UTC).date().isoformat()
    text = f"{name},{today},119.00,100.00,19.00,Mailroom verification,Here 1,EUR,paid\n"

    def uploaded() -> bool:
        client.upload(f"{name}.csv", text.encode(), bucket)
        return True

    def begun() -> dict[str, Any] | None:
        return next(iter(client.get("invoices/imports", bucket=bucket, key=f"{name}.csv")["items"]), None)

    def finished() -> dict[str, Any] | None:
        found = begun()
        return found if found and found["finishedAt"] else None

    _wait("the upload", uploaded, "Is S3_ENDPOINT the S3 server?")
    since = time.monotonic()
    _wait(f"the import of {name}.csv", begun, LOOK_AT_EVENTS)
    late = time.monotonic() - since
    if late > EVENT_SECONDS and not patient:
        raise ClientError(f"the import was seen {late:.0f} s after the upload: without an event? {LOOK_AT_EVENTS}")
    done = _wait(f"the end of the import of {name}.csv", finished, "Look at the log of invoice-importer.")
    if done["state"] != "done" or done["counts"]["inserted"] != 1:
        raise ClientError(f"the import ended {done['state']}, {done['counts']}: {done['error']}")
    found = _wait(
        "the list of invoices", lambda: client.get("invoices", importId=done["id"]), "Look at the log of invoices."
    )
    if [each["invoiceNumber"] for each in found["items"]] != [name]:
        raise ClientError(f"the invoice {name} is not in the list: {found}")


def send_notification(client: Client, email_to: str) -> None:
    """Sends a notification. Its idempotency key makes retries safe."""
    body = {"emailTo": email_to, "subject": "Mailroom works", "message": "<p>This was a verification.</p>"}
    key = {"Idempotency-Key": str(uuid.uuid4())}

    def accepted() -> Any:
        return client.post("notifications", body, **key)

    def settled() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(f"notifications/{answer['id']}")
        return None if found["status"] in ("queued", "sending") else found

    answer = _wait("the function notifications", accepted, "Look at its log.")
    done = _wait(f"notification {answer['id']}", settled, "Is the relay there? `GET notifications/ID` lists attempts.")
    if done["status"] != "sent":
        raise ClientError(f"the notification is {done['status']}: {done}")


def _wait(what: str, find: Callable[[], Any], advice: str) -> Any:
    return wait_for(what, find, WAIT_SECONDS, advice)


if __name__ == "__main__":
    sys.exit(main())
