"""What the API tells of the health of the whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mailroom.deploy import setup
from mailroom.invoices.app import create_app
from mailroom.invoices.imports.ledger import Ledger
from mailroom.platform import backup_record
from mailroom.platform.kick import IMPORTER, SENDER, WEBHOOK_SENDER
from mailroom.platform.objects import ObjectVersion
from mailroom.platform.worker_calls import WorkerCalls
from mailroom.services import Services
from tests.support.client import Client

WORKERS = (IMPORTER, SENDER, WEBHOOK_SENDER)


@pytest.fixture
def ready(make_services: Callable[..., Services]) -> Services:
    """Services after set-up, whose workers were called just now."""
    services = make_services()
    setup.run(services, lambda line: None)
    for name in WORKERS:
        WorkerCalls(services.database["workers"], services.clock, name).begins()
    return services


def health(services: Services) -> Any:
    key = services.keys.create("monitor", ["operations:read"])
    answer = Client(create_app(services), key.text).get("/health")
    assert answer.status == 200
    return answer.json()


def problems(services: Services) -> dict[str, str]:
    found = health(services)
    assert found["healthy"] == all(each["healthy"] for each in found["checks"])
    assert all(each["code"] for each in found["checks"] if not each["healthy"])
    return {each["name"]: each["text"] for each in found["checks"] if not each["healthy"]}


def test_all_is_well(ready: Services):
    found = health(ready)
    assert found["healthy"], found
    assert [each["name"] for each in found["checks"]] == ["setup", *WORKERS, "imports", "bucket", "backups"]


def test_before_set_up_every_problem_is_named(make_services: Callable[..., Services]):
    found = problems(make_services())
    assert set(found) == {"setup", *WORKERS, "bucket"}
    assert "python -m mailroom setup" in found["setup"]
    assert "never called" in found[IMPORTER]


def test_a_set_up_that_is_older_than_the_code_is_named(ready: Services):
    ready.database["workers"].update_one({"_id": "setup"}, {"$unset": {"indexes.apiKeys": ""}})
    assert set(problems(ready)) == {"setup"}


def test_a_worker_that_is_not_called_is_named(ready: Services):
    long_ago = ready.clock.now() - timedelta(minutes=3)
    ready.database["workers"].update_one({"_id": SENDER}, {"$set": {"calledAt": long_ago}})
    assert set(problems(ready)) == {SENDER}


@pytest.mark.parametrize(("hours", "named"), [(1, set()), (27, {"backups"})])
def test_the_part_whose_backup_is_old_is_named(ready: Services, hours: int, named: set[str]):
    now = ready.clock.now()
    backup_record.note_success(ready.database, ["database"], now)
    backup_record.note_success(ready.database, ["buckets"], now - timedelta(hours=hours))
    backup_record.note_check(ready.database, 0, now)
    found = problems(ready)
    assert set(found) == named
    assert "the buckets" in str(health(ready)["checks"])


@pytest.mark.parametrize(("minutes", "named"), [(1, set()), (11, {"imports"})])
def test_an_import_that_waits_for_long_is_named(ready: Services, minutes: int, named: set[str]):
    ledger = Ledger.of(ready.database, ready.settings)
    import_id, _ = ledger.submit(ObjectVersion("invoices", "k.csv", "v", "etag", 10, 1_700_000_000_000))
    due = ready.clock.now() - timedelta(minutes=minutes)
    ready.database["imports"].update_one({"_id": import_id}, {"$set": {"dueAt": due}})
    assert set(problems(ready)) == named
    assert str(import_id) in str(health(ready)["checks"])


def test_an_object_store_that_is_away_is_named_and_the_rest_is_told(
    ready: Services, make_services: Callable[..., Services]
):
    away = make_services(
        mongodb_database=ready.settings.mongodb_database, s3_endpoint="http://127.0.0.1:9", s3_timeout_seconds=0.5
    )
    found = problems(away)
    assert set(found) == {"bucket"}
    assert "does not answer" in found["bucket"]


def test_a_missing_secret_is_named(ready: Services):
    (ready.settings.secrets_dir / "mailroom-uploads-secret-key").unlink()
    assert set(problems(ready)) == {"bucket"}


def test_an_answer_is_kept_for_a_while(ready: Services):
    key = ready.keys.create("monitor", ["operations:read"])
    client = Client(create_app(ready), key.text)
    first = client.get("/health").json()
    ready.database["workers"].delete_many({})
    assert client.get("/health").json() == first
