"""An upgrade in place: this checkout goes on with the data folder of an earlier commit.

Both stacks run as a user runs them, with `python -m local up`, the same settings and the same secrets. The test uses
HTTP, the command line, the object store and files. It looks into MongoDB once, to stop an import while a part is open.
"""

from __future__ import annotations

import io
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from csv import DictReader
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from tests.e2e.upgrade_support import Client, Stack, checkout
from tests.support.waiting import T, eventually

ROOT = Path(__file__).parents[2]
EARLIER = "2b92816"  # the last commit before the restructuring and Flask
SETTINGS = {
    "IMPORT_LEASE_SECONDS": "2",
    "IMPORT_BATCH_ROWS": "100",
    "SEND_WAIT_SECONDS": "0.5",
    "SMTP_TIMEOUT_SECONDS": "1",
    "RETRY_FIRST_SECONDS": "2",
}
SCOPES = (
    *("invoices:read", "invoices:write", "notifications:read", "notifications:send"),
    *("templates:read", "templates:write"),
)
WORKERS = ("invoice-importer", "notification-sender", "webhook-sender")
HEADER = "invoiceNumber,invoiceDate,grossAmount,netAmount,vatAmount,supplierName,supplierAddress,currency,status\n"
LARGE_ROWS, EACH_BAD = 2500, 50
LATER_SECONDS = 12.0  # a restart takes less, so the earlier stack seldom sends this mail
LAST_SECONDS = 60.0  # for work that goes on after the upgrade

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("upgrade"), pytest.mark.timeout(300)]


def line(number: object, *, supplier: str = "Acme GmbH", gross: str = "119.00", status: str = "open") -> str:
    return f"{number},2024-01-31,{gross},100.00,19.00,{supplier},1 Example Street,EUR,{status}\n"


def csv(*lines: str) -> bytes:
    return (HEADER + "".join(lines)).encode()


def mail(subject: str, **more: object) -> dict[str, object]:
    return {"emailTo": "anna@example.com", "subject": subject, "message": "<p>m</p>", **more}


DONE = csv(*(line(f"done-{n}") for n in range(5)), line("bad", gross="no number"), line("edited"))
UNDONE = csv(*(line(f"undone-{n}", supplier="Undone AG") for n in range(3)), line("kept", supplier="Undone AG"))
ONCE = mail("once")
TEMPLATE = {"subject": "Welcome {{ name }}", "html": "<p>{{ name }}</p>"}


@dataclass(frozen=True)
class Before:
    """The earlier stack: ids by name, a snapshot of finished work, and answers to compare with later ones."""

    info: dict[str, Any]
    key: str
    keys: str
    imports: dict[str, str]
    mails: dict[str, str]
    snapshot: dict[str, Any]
    once: Any
    cursor: str
    deferred: Any


@dataclass(frozen=True)
class Upgrade:
    """The stack under test on the data of the earlier one. `client` has the earlier key."""

    before: Before
    stack: Stack
    client: Client
    snapshot: dict[str, Any]

    def eventually(self, find: Callable[[], T], what: str) -> T:
        """Calls the workers meanwhile, as the schedule does every minute."""

        def work() -> T:
            for name in WORKERS:
                self.client.call("POST", name)
            return find()

        return eventually(work, LAST_SECONDS, what)


@pytest.fixture(scope="module")
def upgrade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgrade]:
    folder = tmp_path_factory.mktemp("upgrade")
    with checkout(ROOT, EARLIER, folder / "earlier") as earlier:
        stack = Stack(earlier, folder / "data", SETTINGS)
        try:
            before = prepare(stack)
        finally:
            stack.stop(kill=("invoice-events", "invoice-importer"))
    stack = Stack(ROOT, folder / "data", SETTINGS)
    try:
        client = Client(stack.info, before.key)
        yield Upgrade(before, stack, client, snapshot(client, before.imports, before.mails))
    finally:
        stack.stop()


def prepare(stack: Stack) -> Before:
    """Finishes some work, and begins some that the stop of the stack interrupts."""
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    key = stack.mailroom("keys", "create", "--name", "kept", *scopes).strip()
    client = Client(stack.info, key)
    imports = {name: _imported(client, name, body) for name, body in (("done.csv", DONE), ("undone.csv", UNDONE))}
    for number in ("edited", "kept"):
        (found,) = client.get("invoices", invoiceNumber=number)["items"]
        assert client.call("PATCH", f"invoices/{found['id']}", {"status": "paid"}, {"If-Match": "*"}).status == 200
    mails, once = _finished_mails(client)
    taken = snapshot(client, imports, mails)
    cursor = client.get("invoices", supplier="Acme GmbH", limit="2")["nextCursor"]

    mails["deferred"], deferred = _deferred(stack, client)
    stack.signal("invoice-events", signal.SIGSTOP)
    client.upload("waiting.csv", csv(line("waiting", supplier="Waiting AG")))
    imports["large.csv"] = _interrupted(stack, client)
    due = datetime.now(UTC) + timedelta(seconds=LATER_SECONDS)
    mails["later"] = client.post("notifications", mail("later", sendAt=due.isoformat()))["id"]
    assert client.get(f"notifications/{mails['later']}")["status"] == "queued"
    return Before(
        info=stack.info,
        key=key,
        keys=stack.mailroom("keys", "list"),
        imports=imports,
        mails=mails,
        snapshot=taken,
        once=once,
        cursor=cursor,
        deferred=deferred,
    )


def _imported(client: Client, key: str, body: bytes) -> str:
    client.upload(key, body)
    import_id = client.start_import(key)
    eventually(lambda: client.finished(import_id), what=f"the import of {key}")
    return import_id


def _finished_mails(client: Client) -> tuple[dict[str, str], Any]:
    """The ids of mails that have ended, and the answer to the request with an Idempotency-Key."""
    assert client.call("PUT", "notifications/templates/welcome", TEMPLATE).status == 201
    client.post("notifications/suppressions", {"address": "gone@example.com", "reason": "bounced"})
    refused = client.call("POST", "notifications", mail("refused") | {"emailTo": "gone@example.com"})
    assert (refused.status, refused.json()["state"]) == (422, "suppressed")
    once = client.call("POST", "notifications", ONCE, {"Idempotency-Key": "once", "Prefer": "respond-async"}).json()
    welcome = {"emailTo": "anna@example.com", "template": {"name": "welcome", "parameters": {"name": "Anna"}}}
    mails = {"once": once["id"], "welcome": client.post("notifications", welcome)["id"]}
    eventually(
        lambda: {client.get(f"notifications/{id_}")["status"] for id_ in mails.values()} == {"sent"}, what="the mails"
    )
    return mails | {"refused": refused.json()["id"]}, once


def _deferred(stack: Stack, client: Client) -> tuple[str, Any]:
    """A mail that the relay does not answer in time: its id, and its first attempt."""
    with stack.paused("inbox"):
        id_ = client.post("notifications", mail("deferred"))["id"]
        attempts = eventually(lambda: client.get(f"notifications/{id_}")["attempts"], what="its deferral")
    return id_, attempts[0]


def _interrupted(stack: Stack, client: Client) -> str:
    """An import with some rows counted and a part open. Its worker stands still."""
    rows = (
        line(f"large-{n}", supplier="Large AG", gross="no" if n % EACH_BAD == 0 else "119.00")
        for n in range(LARGE_ROWS)
    )
    client.upload("large.csv", csv(*rows))
    import_id = client.start_import("large.csv")
    with MongoClient[dict[str, Any]](stack.info["mongoUri"]) as mongo:

        def stands_still() -> bool:
            stack.signal("invoice-importer", signal.SIGSTOP)
            job = mongo["mailroom"]["imports"].find_one({"_id": ObjectId(import_id)}) or {}
            assert job["state"] in ("pending", "running")
            if job["checkpoint"]["counts"]["rows"] and job.get("parts"):
                return True
            stack.signal("invoice-importer", signal.SIGCONT)
            return False

        eventually(stands_still, what="an open part")
    return import_id


def exported(text: str) -> list[dict[str, str]]:
    """The invoices of a CSV export, without the columns that tell how the file is written: these have changed."""
    return [{name: row[name] for name in row if not name.startswith("_")} for row in DictReader(io.StringIO(text))]


def snapshot(client: Client, imports: dict[str, str], mails: dict[str, str]) -> dict[str, Any]:
    """What callers see of finished work."""
    finished = [imports["done.csv"], imports["undone.csv"], *(mails[name] for name in ("once", "welcome", "refused"))]
    rejects = client.get(f"invoices/imports/{imports['done.csv']}")["rejects"]
    return {
        "invoices": client.all("invoices", supplier="Acme GmbH"),
        "changes": client.all("invoices", importId=imports["undone.csv"]),
        "totals": client.get("invoices/totals", by="supplier,status", supplier="Acme GmbH"),
        "export": exported(client.call("GET", "invoices/export", supplier="Acme GmbH").data.decode("utf-8-sig")),
        "imports": [each for each in client.all("invoices/imports") if each["id"] in finished],
        "rejects": client.download(rejects["bucket"], rejects["key"]),
        "mails": [each for each in client.all("notifications") if each["id"] in finished],
        "mail": [client.get(f"notifications/{id_}") for id_ in finished[2:]],
        "template": client.get("notifications/templates/welcome", version="1"),
        "suppressions": client.all("notifications/suppressions"),
    }


@pytest.mark.parametrize(
    "part",
    [
        *("invoices", "changes", "totals", "export", "imports"),
        *("rejects", "mails", "mail", "template", "suppressions"),
    ],
)
def test_finished_work_looks_the_same(upgrade: Upgrade, part: str) -> None:
    assert upgrade.before.snapshot[part]
    assert without_new_fields(upgrade.snapshot[part], upgrade.before.snapshot[part]) == upgrade.before.snapshot[part]


def without_new_fields(now: Any, before: Any) -> Any:
    """What callers of the earlier version look at: fields may have been added."""
    if isinstance(now, dict) and isinstance(before, dict):
        return {name: without_new_fields(value, before[name]) for name, value in now.items() if name in before}
    if isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        return [without_new_fields(*pair) for pair in zip(now, before, strict=True)]
    return now


def test_addresses_secrets_and_keys_stay(upgrade: Upgrade) -> None:
    before, after = ({**info, "processes": None} for info in (upgrade.before.info, upgrade.stack.info))
    assert without_new_fields(after, before) == before
    assert upgrade.stack.mailroom("keys", "list") == upgrade.before.keys


def test_a_cursor_of_before_leads_to_the_next_page(upgrade: Upgrade) -> None:
    rest = upgrade.client.all("invoices", supplier="Acme GmbH", cursor=upgrade.before.cursor)
    before = upgrade.before.snapshot["invoices"][2:]
    assert without_new_fields(rest, before) == before


def test_the_interrupted_import_ends_as_if_nothing_had_happened(upgrade: Upgrade) -> None:
    client, import_id = upgrade.client, upgrade.before.imports["large.csv"]
    found = upgrade.eventually(lambda: client.finished(import_id), what="the end of the interrupted import")

    bad = LARGE_ROWS // EACH_BAD
    assert (found["state"], found["error"]) == ("done", None)
    assert found["counts"] == {
        "rows": LARGE_ROWS, "inserted": LARGE_ROWS - bad, "updated": 0, "unchanged": 0, "stale": 0, "rejected": bad,
        "setApart": 0,
    }  # fmt: skip
    rejects = client.download(found["rejects"]["bucket"], found["rejects"]["key"])
    assert len(rejects.splitlines()) == 1 + bad
    numbers = Counter(each["invoiceNumber"] for each in client.all("invoices", supplier="Large AG"))
    assert numbers == Counter(f"large-{n}" for n in range(LARGE_ROWS) if n % EACH_BAD)


def test_an_event_in_the_queue_of_minio_is_delivered(upgrade: Upgrade) -> None:
    def finished() -> Any:
        imports = upgrade.client.get("invoices/imports", key="waiting.csv")["items"]
        return [each for each in imports if each["finishedAt"]]

    (found,) = upgrade.eventually(finished, what="the import of waiting.csv")
    assert (found["state"], found["counts"]["inserted"]) == ("done", 1)


def test_queued_mail_is_sent_once(upgrade: Upgrade) -> None:
    def sent(name: str) -> Any:
        found = upgrade.client.get(f"notifications/{upgrade.before.mails[name]}")
        return found if found["status"] == "sent" else None

    upgrade.eventually(lambda: sent("later"), what="the mail for later")
    deferred = upgrade.eventually(lambda: sent("deferred"), what="the deferred mail")

    assert deferred["attempts"][0] == upgrade.before.deferred
    assert deferred["attempts"][-1]["outcome"] == "sent"
    inbox = upgrade.client.inbox()
    assert [inbox[subject] for subject in ("later", "deferred", "once", "Welcome Anna")] == [1, 1, 1, 1]


def test_a_repeat_gets_the_first_answer(upgrade: Upgrade) -> None:
    client, key = upgrade.client, {"Idempotency-Key": "once"}
    again = client.call("POST", "notifications", ONCE, key)
    assert (again.status, again.json()) == (202, upgrade.before.once)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = client.call("POST", "notifications", mail("other"), key)
    assert (other.status, other.json()["code"]) == (422, "idempotency.reused")
    assert client.start_import("done.csv") == upgrade.before.imports["done.csv"]


def test_an_import_of_before_can_be_undone(upgrade: Upgrade) -> None:
    undone = upgrade.client.post(f"invoices/imports/{upgrade.before.imports['undone.csv']}/undo")
    assert undone == {"deleted": 3, "left": 1, "complete": True}
    (kept,) = upgrade.client.all("invoices", supplier="Undone AG")
    assert (kept["invoiceNumber"], kept["status"]) == ("kept", "paid")


def test_an_invoice_keeps_its_identity(upgrade: Upgrade) -> None:
    client = upgrade.client
    rows = (*(line(f"done-{n}") for n in range(4)), line("done-4", status="paid"), line("new"))

    import_id = _imported(client, "again.csv", csv(*rows))

    counts = client.finished(import_id)["counts"]

    assert counts == {"rows": 6, "inserted": 1, "updated": 1, "unchanged": 4, "stale": 0, "rejected": 0, "setApart": 0}
    before = {each["id"] for each in upgrade.before.snapshot["invoices"]}
    after = {each["id"] for each in client.all("invoices", supplier="Acme GmbH") if each["invoiceNumber"] != "new"}
    assert after == before


def test_templates_and_suppressions_still_work(upgrade: Upgrade) -> None:
    use = {"name": "welcome", "version": 1, "parameters": {"name": "Bert"}}
    upgrade.client.post("notifications", {"emailTo": "bert@example.com", "template": use})
    eventually(lambda: upgrade.client.inbox()["Welcome Bert"] == 1, what="the mail")
    refused = upgrade.client.call("POST", "notifications", mail("no") | {"emailTo": "Gone@example.com"})
    assert (refused.status, refused.json()["code"]) == (422, "notification.refused")
