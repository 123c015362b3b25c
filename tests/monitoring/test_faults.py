"""Real faults of a local stack fire exactly their alert in a real Prometheus, and `doctor` names what it can see.

The rules are those of compose/monitoring/rules.yml with shorter spans of time.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest
import urllib3
from minio.notificationconfig import NotificationConfig
from pymongo import MongoClient

from local.client import Client, s3_client
from local.doctor import checks, waiting
from local.stack import Stack
from tests.e2e.test_first_path import MAIL, done
from tests.e2e.test_restore import backups
from tests.integration.invoices.files import csv, line
from tests.monitoring.prometheus import Prometheus
from tests.monitoring.rules import FUNCTIONS, RULES
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("monitoring"), pytest.mark.timeout(900)]

SETTINGS: dict[str, str] = {}
FASTER = 30  # a minute of the rules takes two seconds
LATER = 25  # seconds instead of five minutes and more: longer than the rate that it is about
SECONDS = 120  # in which an alert fires, or ends
HOLDS = 3  # seconds in which no other alert follows


def faster(rules: str) -> str:
    """The rules with shorter spans. A rate needs two scrapes, and a backup is a backup."""

    def shorter(match: re.Match[str]) -> str:
        seconds = int(match[1]) * {"m": 60, "h": 3600}[match[2]]
        return f"for: {seconds // FASTER if seconds < 300 else LATER}s"

    made = re.sub(r"\bfor: (\d+)([mh])$", shorter, rules, flags=re.MULTILINE)
    return made.replace("[2m]", "[20s]").replace("[1m]", "[24s]").replace("_seconds) < 120", "_seconds) < 30")


@pytest.fixture(scope="module")
def prometheus(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    client = Client(stack.info)
    client.upload("good.csv", csv(line("good")))
    client.post("notifications", MAIL)
    eventually(lambda: done(client, "good.csv"), what="the import")
    rules = faster(RULES.read_text())
    with Prometheus(tmp_path_factory.mktemp("prometheus"), stack.info["metrics"], rules) as prometheus:
        scraped = f"count(up == 1) == {len(FUNCTIONS)} and on () max(mailroom_event_rule_present) == 1"
        eventually(lambda: prometheus.query(scraped), SECONDS, "the first scrape")
        eventually(lambda: not prometheus.firing(), what="the end of alerts about what was not yet scraped")
        assert_fires(prometheus, set(), set())
        yield prometheus


def assert_fires(prometheus: Prometheus, expected: set[str], before: set[str]) -> None:
    """Waits until exactly these alerts fire, and on for a while. Meanwhile, none but them and those of before fires."""
    end, since = time.monotonic() + SECONDS, None
    while since is None or time.monotonic() - since < HOLDS:
        firing = prometheus.firing()
        assert firing <= expected | before, prometheus.alerts()
        since = (since or time.monotonic()) if firing == expected else None
        assert time.monotonic() < end, f"{expected} expected: {prometheus.alerts()}"
        time.sleep(0.2)


@contextlib.contextmanager
def stopped(stack: Stack, name: str) -> Iterator[None]:
    stack.stop(name)
    try:
        yield
    finally:
        stack.start(name)


@contextlib.contextmanager
def relay_down(stack: Stack) -> Iterator[None]:
    with stopped(stack, "inbox"):
        Client(stack.info).post("notifications", MAIL)  # the attempt tells at once, a probe only once a minute
        yield
    call(stack, "notification-sender")


@contextlib.contextmanager
def event_rule_deleted(stack: Stack) -> Iterator[None]:
    minio = s3_client(stack.info["minio"]["endpoint"], "root", stack.secrets["minio-root-password"])
    minio.set_bucket_notification("invoices", NotificationConfig())
    yield
    named = checks.event_rule(stack.info["minio"]["endpoint"], "root", stack.secrets["minio-root-password"], "invoices")
    assert "no event rule" in named.text
    stack._mailroom("setup")


@contextlib.contextmanager
def secret_changed(stack: Stack, function: str, name: str, text: str) -> Iterator[None]:
    file = stack.data.folder / "secrets" / function / name
    before = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(before)


@contextlib.contextmanager
def secret_missing(stack: Stack) -> Iterator[None]:
    with secret_changed(stack, "invoice-importer", "mailroom-s3-secret-key", ""):
        yield
        call(stack, "invoice-importer")
        assert_doctor_says(stack, "mailroom-s3-secret-key")


@contextlib.contextmanager
def event_queue_stuck(stack: Stack) -> Iterator[None]:
    with secret_changed(stack, "invoice-events", "mailroom-webhook-token", "another"):
        Client(stack.info).upload(f"{secrets.token_hex(4)}.csv", csv(line("stuck")))
        yield


@contextlib.contextmanager
def mongodb_down(stack: Stack) -> Iterator[None]:
    with stopped(stack, "mongo"):
        yield
        assert "do not reach MongoDB" in checks.database(stack.info["gateway"], stack.info["apiKey"]).text


@contextlib.contextmanager
def s3_down(stack: Stack) -> Iterator[None]:
    with stopped(stack, "minio"):
        yield
        user, password = "root", stack.secrets["minio-root-password"]  # pragma: allowlist secret
        found = checks.event_rule(stack.info["minio"]["endpoint"], user, password, "invoices")
        assert "does not answer" in found.text


@contextlib.contextmanager
def failing_backup(stack: Stack) -> Iterator[None]:
    """Yesterday's was the last that succeeded: today's has no folder to go to."""
    with MongoClient(stack.info["mongoUri"]) as mongo:
        yesterday = datetime.now(UTC) - timedelta(hours=27)
        mongo["mailroom"]["backups"].update_one({"_id": "buckets"}, {"$set": {"succeededAt": yesterday}})
    nowhere = stack.data.folder / "nowhere" / "archive"
    nowhere.parent.mkdir()
    assert backups(stack, nowhere, "create").returncode != 0
    yield
    assert_doctor_says(stack, "backup of the buckets")
    nowhere.mkdir()
    assert backups(stack, nowhere, "create").returncode == 0


@contextlib.contextmanager
def poison_file(stack: Stack) -> Iterator[None]:
    client = Client(stack.info)
    client.upload("poison.csv", b"\x00\xff" * 1000)
    eventually(lambda: done(client, "poison.csv"), what="the end of the import")
    yield


def call(stack: Stack, function: str) -> None:
    """As the schedule does every minute."""
    urllib3.request("POST", f"{stack.info['gateway']}/function/{function}", timeout=60)


def assert_doctor_says(stack: Stack, text: str) -> None:
    """What `make doctor` says of a running deployment, for a key that may ask."""
    key = stack._mailroom("keys", "create", "--name", "doctor", "--scope", "operations:read").strip()

    def says() -> bool:
        return any(text in found.text for found in waiting.health(stack.info["gateway"], key) if found.fix)

    eventually(says, what=f"a doctor who says {text}")


Fault = Callable[[Stack], AbstractContextManager[None]]
# One after the other; those of a step have nothing to do with each other, and come together to save time. The last one
# stays for an hour.
STEPS: tuple[dict[str, Fault], ...] = (
    {
        "MailroomRelayDown": relay_down,
        "MailroomEventRuleMissing": event_rule_deleted,
        "MailroomBackupOld": failing_backup,
    },
    {"MailroomSecretMissing": secret_missing},
    {"MailroomEventsStuck": event_queue_stuck},
    {"MailroomS3Down": s3_down},
    {"MailroomMongoDBDown": mongodb_down},
    {"MailroomImportFailed": poison_file},
)


def test_each_fault_fires_exactly_its_alert(stack: Stack, prometheus: Prometheus) -> None:
    before: set[str] = set()
    for faults in STEPS:
        with contextlib.ExitStack() as injected:
            for fault in faults.values():
                injected.enter_context(fault(stack))
            assert_fires(prometheus, set(faults), before)
        before = set(faults)
