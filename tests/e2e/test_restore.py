"""A backup under load, new servers, a restore: everything is back and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from local import users
from local.client import Client, ClientError
from local.programs import base_environment
from local.stack import Stack
from tests.e2e.conftest import ENVIRONMENT, ROOT
from tests.integration.invoices.files import csv, line
from tests.support.waiting import eventually

ROWS = 3000
WORKERS = ("invoice-importer", "notification-sender")


def backups(stack: Stack, archive: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs `python -m mailroom backups`. Backups use users that may only read, restores use administrators."""
    secrets = archive.parent / "secrets"
    secrets.mkdir(exist_ok=True)
    made = words[0] == "create"
    root = {"access-key": users.ROOT, "secret-key": stack.secrets["minio-root-password"]}
    for part, of_root in root.items():
        (secrets / f"mailroom-s3-{part}").write_text(stack.secrets[f"backup-s3-{part}"] if made else of_root)
    uri = stack.secrets["backup-mongodb-uri" if made else "mailroom-mongodb-uri"]
    (secrets / "mailroom-mongodb-uri").write_text(uri)
    environment = base_environment() | {
        "PYTHONPATH": str(ROOT),
        "SECRETS_DIR": str(secrets),
        "S3_ENDPOINT": stack.info["minio"]["endpoint"],
        "BACKUP_TO": str(archive),
    }
    command = [sys.executable, "-m", "mailroom", "backups", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


@contextmanager
def load(client: Client) -> Iterator[list[str]]:
    """Uploads files and sends messages until the end of the block. Yields the accepted subjects."""
    accepted: list[str] = []
    over = threading.Event()

    def work() -> None:
        number = 0
        while not over.is_set():
            client.upload(f"load/{number % 7}.csv", csv(line(f"load-{number}"), line("same", gross=f"{number}.00")))
            client.post("notifications", mail(f"load {number}"))
            accepted.append(f"load {number}")
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        eventually(lambda: len(accepted) > 5, what="the load")
        yield accepted
    finally:
        over.set()
        thread.join()


@contextmanager
def slowed(pid: int) -> Iterator[None]:
    """The process stands still most of the time, so its work takes longer than a backup on a busy machine."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.1):
            os.kill(pid, signal.SIGSTOP)
            over.wait(0.3)
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def mail(subject: str) -> dict[str, str]:
    return {"emailTo": "you@example.com", "subject": subject, "message": "<p>m</p>"}


def everything(client: Client, path: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    items, cursor = [], {}
    while True:
        page = client.get(path, limit="1000", **cursor)
        items += page["items"]
        if page["nextCursor"] is None:
            return items
        cursor = {"cursor": page["nextCursor"]}


def work(stack: Stack, client: Client) -> None:
    """Calls the workers, as the schedule does every minute."""
    for name in WORKERS:
        with suppress(ClientError):  # it is working already
            client.post(name, {})


def ended(client: Client, key: str) -> dict[str, Any] | None:
    found = client.get("invoices/imports", key=key)["items"]
    return found[0] if found and found[0]["finishedAt"] else None


@pytest.mark.timeout(300)
def test_all_goes_on_after_a_restore_on_new_servers(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    environment = ENVIRONMENT | {"RETRY_FIRST_SECONDS": "1"}
    with Stack(ROOT, tmp_path / "before", environment) as stack:
        client = Client(stack.info)
        client.upload("done.csv", csv(line("done"), line("bad", gross="no number")))
        before = eventually(lambda: ended(client, "done.csv"), what="an import")
        rejects = client.download(before["rejects"]["bucket"], before["rejects"]["key"])
        client.post("notifications", mail("sent before"))
        eventually(lambda: [each["subject"] for each in client.messages()] == ["sent before"], what="a mail")
        stack.stop("inbox")
        client.post("notifications", mail("queued before"))
        rows = (line(f"long-{n}", gross="no" if n % 50 == 0 else "119.00") for n in range(ROWS))

        def begun() -> bool:
            found = client.get("invoices/imports", key="long.csv")["items"]
            return bool(found and found[0]["counts"]["rows"])

        with ExitStack() as meanwhile:
            meanwhile.enter_context(slowed(stack.info["processes"]["invoice-importer"]))
            client.upload("long.csv", csv(*rows))
            accepted = meanwhile.enter_context(load(client))
            eventually(begun, what="the first batches")
            certain = ["queued before", *accepted]
            done = backups(stack, archive, "create")
            assert done.returncode == 0, done.stderr
            assert client.get("invoices/imports", key="long.csv")["items"][0]["state"] == "running"
        [found] = client.get("invoices", importId=before["id"])["items"]
        invoice = client.get(f"invoices/{found['id']}")
        key = stack.info["apiKey"]

    with Stack(ROOT, tmp_path / "after", environment) as stack:
        for name in WORKERS:
            stack.stop(name)
        done = backups(stack, archive, "restore", "--replace")
        assert done.returncode == 0, done.stderr
        for name in WORKERS:
            stack.start(name)
        client = Client(stack.info | {"apiKey": key})  # the key from before

        def drained() -> bool:
            work(stack, client)
            mails = [client.get("notifications", status=status)["items"] for status in ("queued", "sending")]
            imports = [client.get("invoices/imports", state=state)["items"] for state in ("pending", "running")]
            return not any(mails + imports)

        eventually(drained, 120, what="the end of all work")
        subjects = Counter(each["subject"] for each in client.messages())
        assert set(certain) <= set(subjects)
        assert "sent before" not in subjects
        assert set(subjects.values()) == {1}
        states = {each["subject"]: each["status"] for each in everything(client, "notifications")}
        assert states == dict.fromkeys(["sent before", *subjects], "sent")

        assert ended(client, "done.csv") == before
        assert client.get(f"invoices/{invoice['id']}") == invoice
        assert client.download(before["rejects"]["bucket"], before["rejects"]["key"]) == rejects
        rejected = ROWS // 50
        assert ended(client, "long.csv")["counts"] == {  # type: ignore[index]
            "rows": ROWS, "inserted": ROWS - rejected, "updated": 0, "unchanged": 0, "stale": 0, "rejected": rejected,
        }  # fmt: skip
        numbers = Counter(each["invoiceNumber"] for each in everything(client, "invoices"))
        assert set(numbers.values()) == {1}
        assert {f"load-{subject.split()[1]}" for subject in certain[1:]} <= set(numbers)

        client.upload("done.csv", csv(line("done", status="paid")))
        again = eventually(lambda: (found := ended(client, "done.csv")) != before and found, what="a new version")
        assert again["counts"]["updated"] == 1
