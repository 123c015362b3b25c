"""Runs the demo. Exit code 0 when everything came out as it should, else 1, with what differed."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from local import tools
from local.client import Client, ClientError, wait_for
from local.demo import show
from local.demo.receiver import WebhookReceiver
from local.process import StartError
from local.stack import Stack
from local.stack_file import StackError
from samples.generate import rows

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
GENERATED_ROWS = 10_000
_IMPORT_SECONDS = 180.0  # on a busy machine; else some seconds
_WEBHOOK_SECONDS = 70.0  # a kick brings it at once; if that is lost, the schedule does within a minute

# What must come of each file: rows, inserted, updated, unchanged, stale, rejected, setApart.
EXPECTED = {
    "headerless.csv": (12, 12, 0, 0, 0, 0, 0),
    "german.csv": (12, 12, 0, 0, 0, 0, 0),
    "italian.csv": (6, 6, 0, 0, 0, 0, 1),
    "with-errors.csv": (10, 6, 0, 0, 0, 4, 0),
    "generated.csv": (GENERATED_ROWS, GENERATED_ROWS, 0, 0, 0, 0, 0),
}
MESSAGE = {
    "emailTo": "accounts@example.com",
    "subject": "Your invoices are in",
    "message": "<h1>Imported</h1><p>All files of today were imported. Have a look at the rejects.</p>",
}

BOUNCES = {
    "emailTo": "bounced@simulator.mailroom",
    "subject": "A reminder",
    "message": "<p>The invoice of May is still open.</p>",
}


def main(console: Console) -> int:
    begin = time.monotonic()
    try:
        tools.install()
        with (
            tempfile.TemporaryDirectory(prefix="mailroom-demo-") as folder,
            Stack(ROOT, Path(folder), quiet=False) as stack,
            WebhookReceiver() as receiver,
        ):
            run(Client(stack.info), console, receiver)
    except (ClientError, StartError, StackError, tools.ToolError) as error:
        console.print(f"\n[bold red]The demo failed:[/] {error}", soft_wrap=True)
        return 1
    console.print(f"\n[bold green]Everything came out as it should[/], in {time.monotonic() - begin:.0f} s.")
    console.print(
        "`make local` runs the same and leaves it running, with a link to the console: its pages show all of this."
    )
    return 0


def run(client: Client, console: Console, receiver: WebhookReceiver) -> None:
    """All steps, each checked. Raises ClientError at the first that came out wrong."""
    client.post("notifications/webhooks", {"url": receiver.url, "events": ["notification.bounced"]})
    imports = import_samples(client, console)
    for name, expected in EXPECTED.items():
        found = tuple(imports[name]["counts"][count] for count in show.COUNTS)
        check(f"the counts of {name} {show.COUNTS}", found, expected)

    page = client.get("invoices", limit="8")
    console.print(show.invoices(page["items"]), "")
    check("the invoices on a page", len(page["items"]), 8)
    check("a further page", bool(page["nextCursor"]), True)
    total = sum(expected[1] for expected in EXPECTED.values())
    totals = client.get("invoices/totals")["items"]
    check("the invoices in the totals", sum(each["count"] for each in totals), total)

    rejects = imports["with-errors.csv"]["rejects"]
    content = client.download(rejects["bucket"], rejects["key"])
    console.print(show.rejects(f"{rejects['bucket']}/{rejects['key']}", content), "")
    check("the rows of the rejects file", len(content.splitlines()) - 1, EXPECTED["with-errors.csv"][5])

    send(client, console)
    bounce(client, console, receiver)


def import_samples(client: Client, console: Console) -> dict[str, Any]:
    """Uploads the files and shows the progress of their imports. Returns the imports by file, when all have ended."""
    console.print(f"\nUploading {len(EXPECTED)} files into the bucket; MinIO tells the importer within 3 s.\n")
    for name in EXPECTED:
        body = "".join(rows(GENERATED_ROWS)).encode() if name == "generated.csv" else (SAMPLES / name).read_bytes()
        client.upload(name, body)
    with Live(show.progress([]), console=console, refresh_per_second=8) as live:

        def finished() -> list[dict[str, Any]] | None:
            found: list[dict[str, Any]] = client.get("invoices/imports")["items"][::-1]
            live.update(show.progress(found))
            return found if len(found) == len(EXPECTED) and all(each["finishedAt"] for each in found) else None

        imports = wait_for("the end of the imports", finished, _IMPORT_SECONDS)
    console.print()
    for each in imports:
        check(f"the state of the import of {each['key']}", (each["state"], each["error"]), ("done", None))
    check("the files imported", sorted(each["key"] for each in imports), sorted(EXPECTED))
    return {each["key"]: each for each in imports}


def send(client: Client, console: Console) -> None:
    """Sends a notification and reads it where it arrived."""
    answer = client.post("notifications", MESSAGE)
    check("the answer to the notification", answer["result"], "OK")
    arrived = wait_for("the mail", client.messages)
    wait_for("its record as sent", lambda: client.get(f"notifications/{answer['id']}")["status"] == "sent")
    console.print(show.notifications(client.get("notifications")["items"]), "")
    check("the mails in the inbox", len(arrived), 1)
    message = client.message(arrived[0]["id"])
    console.print(show.mail(message))
    check("the mail's recipient", message["to"], MESSAGE["emailTo"])
    check("the mail's subject", message["subject"], MESSAGE["subject"])
    check("the mail's HTML", message["html"].strip(), MESSAGE["message"])
    check("the heading in the mail's text", "Imported" in message["text"], True)


def bounce(client: Client, console: Console, receiver: WebhookReceiver) -> None:
    """Sends to an address that bounces. A webhook tells the receiver of it."""
    answer = client.post("notifications", BOUNCES)

    def bounced() -> dict[str, Any] | None:
        [recipient] = client.get(f"notifications/{answer['id']}")["recipients"]
        delivery: dict[str, Any] | None = recipient["delivery"]
        return delivery

    delivery = wait_for("the bounce", bounced)
    check("what became of the mail", (delivery["status"], delivery["code"]), ("bounced", "5.1.1"))
    [event] = wait_for("the webhook", lambda: receiver.received, _WEBHOOK_SECONDS)
    console.print(show.webhook(event))
    check("the webhook", (event["type"], event["data"]["id"]), ("notification.bounced", answer["id"]))
    check("the bounced address", event["data"]["recipient"], BOUNCES["emailTo"])


def check(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ClientError(f"{what}: expected {expected}, found {found}")


if __name__ == "__main__":
    sys.exit(main(show.console()))
