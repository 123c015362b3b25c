"""What the functions of the invoices show to Prometheus. It changes with what happens; each replica tells the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from click.testing import CliRunner
from minio.notificationconfig import NotificationConfig
from pymongo import monitoring

from mailroom.cli.main import main as command
from mailroom.events import metrics as events
from mailroom.invoices.metrics import create_api_metrics, create_importer_metrics
from mailroom.platform.setup_note import SETUP_ID
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, bucket_with, csv, line
from tests.support.commands import RECORDER
from tests.support.metrics import values
from tests.support.waiting import eventually

BAD = HEADER + "1,not a date,119.00,100.00,19.00,Acme,1 Street,EUR,open\n"


def shown(bucket: Bucket) -> dict[str, float]:
    """What a replica tells that has told nothing before."""
    return values(create_importer_metrics(bucket.services))


def waits_since(bucket: Bucket, import_id: str, minutes: float) -> None:
    """Makes the import due that long ago."""
    now = bucket.services.clock.now()
    change = {"$set": {"dueAt": now - timedelta(minutes=minutes)}}
    bucket.services.database["imports"].update_one({"_id": ObjectId(import_id)}, change)


def test_imports_by_state_rows_times_and_failures(bucket: Bucket) -> None:
    before = shown(bucket)
    assert before["mailroom_metrics_up{mongodb}"] == before["mailroom_metrics_up{s3}"] == 1.0
    assert before["mailroom_imports{done}"] == before["mailroom_imports_oldest_waiting_seconds"] == 0.0
    assert not [name for name in before if "seconds_last_hour" in name or "failed_last_hour" in name]
    bucket.import_("good.csv", csv(line(1), line(2)))
    bucket.import_("bad.csv", BAD.encode())
    bucket.import_("no-header.csv", b"a;b\n1;2\n")
    waiting = bucket.submit("waiting.csv", csv(line(3)))
    waits_since(bucket, waiting, 10)
    after = shown(bucket)
    assert {name: after[f"mailroom_imports{{{name}}}"] for name in ("done", "failed", "pending", "running")} == {
        "done": 1.0, "failed": 2.0, "pending": 1.0, "running": 0.0,
    }  # fmt: skip
    assert 600 <= after["mailroom_imports_oldest_waiting_seconds"] < 700
    rows = {"inserted": 2.0, "updated": 0.0, "unchanged": 0.0, "stale": 0.0, "rejected": 1.0}
    assert {name: after[f"mailroom_import_rows_last_hour{{{name}}}"] for name in rows} == rows
    assert after["mailroom_imports_nothing_accepted_last_hour"] == 1.0
    failed = {name: value for name, value in after.items() if name.startswith("mailroom_imports_failed_last_hour")}
    assert len(failed) == 2
    assert failed["mailroom_imports_failed_last_hour{rejects.all}"] == 1.0
    assert 0.0 <= after["mailroom_import_seconds_last_hour{0.5}"] <= after["mailroom_import_seconds_last_hour{1}"] < 60


def test_what_ended_long_ago_is_not_of_the_last_hour(bucket: Bucket) -> None:
    done = bucket.import_("old.csv", BAD.encode())
    change = {"$set": {"finishedAt": done["finishedAt"] - timedelta(hours=2)}}
    bucket.services.database["imports"].update_one({"_id": done["_id"]}, change)
    after = shown(bucket)
    assert after["mailroom_imports{failed}"] == 1.0
    assert after["mailroom_imports_nothing_accepted_last_hour"] == 0.0
    assert after["mailroom_import_rows_last_hour{rejected}"] == 0.0


def test_a_worker_that_is_not_called_leaves_its_mark_behind(bucket: Bucket) -> None:
    assert "mailroom_worker_last_called_timestamp_seconds" not in shown(bucket)
    bucket.run()
    called = shown(bucket)["mailroom_worker_last_called_timestamp_seconds"]
    assert abs(called - bucket.services.clock.now().timestamp()) < 60


def test_a_setup_of_an_older_version_is_told(bucket: Bucket) -> None:
    assert shown(bucket)["mailroom_setup_outdated"] == 0.0
    mark = {"_id": SETUP_ID}
    bucket.services.database["workers"].update_one(mark, {"$pull": {"indexes.imports": "finished"}})
    bucket.services.database["imports"].drop_index("finished")
    after = shown(bucket)
    assert after["mailroom_setup_outdated"] == 1.0
    assert after["mailroom_metrics_up{mongodb}"] == 0.0  # the query needs the index
    bucket.services.database["workers"].delete_one(mark)  # a version that noted nothing
    assert shown(bucket)["mailroom_setup_outdated"] == 1.0


@pytest.mark.minio
def test_a_bucket_without_its_event_rule_is_told(bucket: Bucket) -> None:
    assert shown(bucket)["mailroom_event_rule_present"] == 1.0
    bucket.services.objects.client.set_bucket_notification(bucket.name, NotificationConfig())
    assert shown(bucket)["mailroom_event_rule_present"] == 0.0


@pytest.mark.minio
def test_events_that_wait_in_the_queue_are_told(bucket: Bucket) -> None:
    """Nothing answers at the gateway of these tests: the event stays in the queue of MinIO."""
    bucket.put("a.csv", csv(line(1)))
    eventually(lambda: shown(bucket).get("mailroom_events_waiting", 0) >= 1, 60)


def test_files_that_the_listing_found_are_told(bucket: Bucket) -> None:
    bucket.put("lost.csv", csv(line(1)))
    assert shown(bucket)["mailroom_files_found_without_event_last_hour"] == 0.0
    bucket.compare()
    assert shown(bucket)["mailroom_files_found_without_event_last_hour"] == 1.0
    assert "mailroom_events_last_seen_timestamp_seconds" not in values(events.create_metrics(bucket.services))


def test_without_events_nothing_is_told_of_them(make_services: Callable[..., Services]) -> None:
    bucket = bucket_with(make_services, events="poll")
    bucket.put("a.csv", csv(line(1)))
    bucket.compare()
    after = shown(bucket)
    assert after["mailroom_imports{done}"] == after["mailroom_metrics_up{s3}"] == 1.0
    assert not [name for name in after if "event" in name]


def test_the_newest_event_and_those_that_became_no_import(bucket: Bucket) -> None:
    before = values(events.create_metrics(bucket.services))
    assert "mailroom_events_last_seen_timestamp_seconds" not in before
    record = {
        "eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket.name}, "object": {"key": "a.csv", "versionId": bucket.put("a.csv", b"x")}},
    }
    version = bucket.services.objects.find(bucket.name, "a.csv")
    record["s3"]["object"] |= {"size": version.size, "eTag": version.etag, "sequencer": "0" * 16}  # type: ignore[index]
    elsewhere = {**record, "s3": {**record["s3"], "bucket": {"name": "another"}}}  # type: ignore[dict-item]
    answer = bucket.webhook(json.dumps({"Records": [record, elsewhere]}).encode())
    assert answer["statusCode"] == 200
    after = values(events.create_metrics(bucket.services))
    seen = after["mailroom_events_last_seen_timestamp_seconds"]
    assert abs(seen - bucket.services.clock.now().timestamp()) < 60
    assert after["mailroom_events_ignored_total"] == before["mailroom_events_ignored_total"] + 1


def test_a_server_that_is_down_is_told_and_the_page_still_comes(
    bucket: Bucket, make_services: Callable[..., Services], tmp_path: Path
) -> None:
    without_s3 = values(create_importer_metrics(make_services(s3_endpoint="http://127.0.0.1:9", s3_timeout_seconds=1)))
    assert without_s3["mailroom_metrics_up{s3}"] == 0.0
    assert without_s3["mailroom_metrics_up{mongodb}"] == 1.0
    assert "mailroom_imports{done}" in without_s3
    (tmp_path / "secrets" / "nobody").write_text("mongodb://127.0.0.1:9/?replicaSet=rs0")
    down = make_services(mongodb_secret="nobody", mongodb_timeout_seconds=2.0)
    without_mongodb = values(create_importer_metrics(down))
    assert without_mongodb["mailroom_metrics_up{mongodb}"] == 0.0
    assert without_mongodb["mailroom_metrics_up{s3}"] == 1.0
    assert "mailroom_event_rule_present" in without_mongodb


def test_a_missing_secret_is_told_by_its_name(bucket: Bucket) -> None:
    file = bucket.services.settings.secrets_dir / "mailroom-s3-secret-key"
    assert shown(bucket)["mailroom_secret_missing{mailroom-s3-secret-key}"] == 0.0
    file.unlink()
    assert shown(bucket)["mailroom_secret_missing{mailroom-s3-secret-key}"] == 1.0
    api = values(create_api_metrics(bucket.services))
    assert api["mailroom_secret_missing{mailroom-uploads-access-key}"] == 0.0


def test_two_replicas_tell_the_same(bucket: Bucket, make_services: Callable[..., Services]) -> None:
    bucket.import_("good.csv", csv(line(1), line(2)))
    bucket.import_("no-header.csv", b"a;b\n1;2\n")
    waits_since(bucket, bucket.submit("waiting.csv", csv(line(3))), 10)
    one, other = shown(bucket), values(create_importer_metrics(make_services()))
    assert one.keys() == other.keys()
    ages = "mailroom_imports_oldest_waiting_seconds"
    assert abs(one.pop(ages) - other.pop(ages)) < 30
    assert one == other


def test_nothing_of_a_file_is_in_the_labels(bucket: Bucket) -> None:
    bucket.import_("secret-customer.csv", b"a;b\n1;2\n")
    assert not [name for name in shown(bucket) if "secret-customer" in name]


def test_the_importer_and_the_events_need_no_other_rights_for_their_metrics(
    services: Services, make_services: Callable[..., Services]
) -> None:
    with RECORDER.of("invoice-importer") as used:
        assert values(create_importer_metrics(make_services()))["mailroom_metrics_up{mongodb}"] == 1.0
    assert {("imports", "find"), ("backups", "find"), ("workers", "find")} <= used
    with RECORDER.of("invoice-events") as used:
        assert values(events.create_metrics(make_services()))["mailroom_metrics_up{mongodb}"] == 1.0
    assert ("imports", "find") in used


@pytest.fixture
def run_command(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs `python -m mailroom backups …` on this test's database, buckets and archive."""
    settings = services.settings
    for name in ("secrets_dir", "mongodb_database", "s3_endpoint", "invoices_bucket", "rejects_bucket",
                 "attachments_bucket"):  # fmt: skip
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))
    (tmp_path / "archive").mkdir()
    monkeypatch.setenv("BACKUP_TO", str(tmp_path / "archive"))

    def run(*words: str) -> int:
        return CliRunner().invoke(command, ["backups", *words]).exit_code

    return run


def test_the_age_of_the_newest_backup_and_of_its_check(
    services: Services, run_command: Callable[..., int], tmp_path: Path
) -> None:
    bucket = Bucket(services)
    assert not [name for name in shown(bucket) if "backup" in name]
    bucket.put("a.csv", csv(line(1)))
    assert run_command("create", "--only", "database") == 0
    after = shown(bucket)
    parts = ("mailroom_backup_last_success_timestamp_seconds{database}",
             "mailroom_backup_last_success_timestamp_seconds{buckets}")  # fmt: skip
    assert parts[0] in after
    assert parts[1] not in after
    first = after["mailroom_backup_first_success_timestamp_seconds"]
    assert first == after[parts[0]]
    assert run_command("create") == 0
    after = shown(bucket)
    assert after["mailroom_backup_first_success_timestamp_seconds"] == first < after[parts[0]]
    now = services.clock.now().timestamp()
    assert all(abs(after[part] - now) < 60 for part in parts)
    assert "mailroom_backup_last_check_timestamp_seconds" not in after
    assert run_command("check") == 0
    after = shown(bucket)
    assert abs(after["mailroom_backup_last_check_timestamp_seconds"] - now) < 60
    assert after["mailroom_backup_last_check_damaged"] == 0.0
    objects = [path for path in (tmp_path / "archive" / "objects").rglob("*") if path.is_file()]
    dumps = sorted((tmp_path / "archive").rglob("imports.bson.gz"))  # that of the newest backup comes last
    for path in (objects[0], dumps[-1]):
        path.write_bytes(b"damaged")
    assert run_command("check") == 1
    assert shown(bucket)["mailroom_backup_last_check_damaged"] == 2.0


def test_a_failed_backup_leaves_the_time_of_the_last_one(
    services: Services, run_command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run_command("create") == 0
    before = shown(Bucket(services))
    monkeypatch.setenv("BACKUP_TO", "/proc/nowhere")
    assert run_command("create") == 1
    name = "mailroom_backup_last_success_timestamp_seconds{database}"
    assert shown(Bucket(services))[name] == before[name]


def test_queries_read_indexes(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each query names the index that serves it: MongoDB refuses a hint that it does not have."""
    asked: list[dict[str, Any]] = []

    class Listener(monitoring.CommandListener):
        def started(self, event: monitoring.CommandStartedEvent) -> None:
            if event.command_name in ("find", "aggregate", "count"):
                asked.append(dict(event.command))

        def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
            pass

        def failed(self, event: monitoring.CommandFailedEvent) -> None:
            pass

    before = list(monitoring._LISTENERS.command_listeners)
    monitoring.register(Listener())
    try:
        other = Services(services.settings)
        values(create_importer_metrics(other))
        values(events.create_metrics(other))
        other.close()
    finally:
        monitoring._LISTENERS.command_listeners[:] = before
    of_imports = [each for each in asked if "imports" in (each.get("find"), each.get("aggregate"))]
    assert len(of_imports) > 8
    assert {each.get("hint") for each in of_imports} == {"state", "due", "finished", "foundBy"}
