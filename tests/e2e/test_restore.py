"""A backup under load, new servers, a restore: everything is back and goes on."""

from __future__ import annotations

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
from tests.support.mongo_proxy import Command, MongoProxy
from tests.support.waiting import eventually

ROWS = 3000
WORKERS = ("invoice-importer", "notification-sender", "webhook-sender")


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


class StepByStep:
    """Lets an import go on in step with a backup, on a machine of any speed.

    The first half of its rows is written at any time, the second half once the backup has read the imports, and the
    last rows once `backup_is_done`. So the backup has invoices that are newer than the checkpoint of their import.
    """

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self.backup_is_done = threading.Event()

    def __call__(self, command: Command) -> None:
        if command.get("insert") != "invoices":
            return
        numbers = [each["invoiceNumber"].removeprefix("long-") for each in command["documents"]]
        rows = [int(number) for number in numbers if number.isdecimal()]
        if rows and max(rows) >= ROWS // 2:
            eventually(self._imports_are_read, what="the backup of the imports")
        if ROWS - 1 in rows:
            self.backup_is_done.wait()

    def _imports_are_read(self) -> bool:
        return self.backup_is_done.is_set() or any(self._archive.rglob("imports.bson.gz"))


@contextmanager
def step_by_step(stack: Stack, archive: Path) -> Iterator[None]:
    """Makes the importer of the stack go on as `StepByStep` says until the end of the block."""
    name = "invoice-importer"
    secret = stack.functions[name].environment["MONGODB_SECRET"]
    steps = StepByStep(archive)
    with MongoProxy(stack.secrets[secret]) as proxy:
        proxy.intercept = steps
        stack.stop(name)
        (stack.data.sub(f"secrets/{name}") / secret).write_text(proxy.uri)
        stack.start(name)
        try:
            yield
        finally:
            steps.backup_is_done.set()
            stack.stop(name)


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
    # A write of the importer waits for the backup.
    environment = ENVIRONMENT | {"RETRY_FIRST_SECONDS": "1", "MONGODB_TIMEOUT_SECONDS": "60"}
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
            meanwhile.enter_context(step_by_step(stack, archive))
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
            "setApart": 0,
        }  # fmt: skip
        numbers = Counter(each["invoiceNumber"] for each in everything(client, "invoices"))
        assert set(numbers.values()) == {1}
        assert {f"load-{subject.split()[1]}" for subject in certain[1:]} <= set(numbers)

        client.upload("done.csv", csv(line("done", status="paid")))
        again = eventually(lambda: (found := ended(client, "done.csv")) != before and found, what="a new version")
        assert again["counts"]["updated"] == 1
