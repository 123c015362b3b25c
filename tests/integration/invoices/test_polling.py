"""`EVENTS=poll`: no events, the importer lists the bucket and finds what is new."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from minio import Minio

from mailroom.invoices import worker as working
from mailroom.invoices.imports import polling
from mailroom.invoices.imports.polling import Poller
from mailroom.invoices.imports.reconcile import CURSOR_ID
from mailroom.platform.clock import Budget
from mailroom.platform.listed_objects import ListedObject, list_newest
from mailroom.platform.objects import ObjectGone, ObjectStore
from mailroom.services import Services
from tests.integration.invoices.files import LONG_AGO, Bucket, bucket_with, csv, line


@pytest.fixture
def bucket(make_services: Callable[..., Services]) -> Bucket:
    """A bucket whose passes are due."""
    bucket = bucket_with(make_services, events="poll")
    bucket.reconcile_at(LONG_AGO)
    return bucket


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server lists two keys at once."""
    execute = Minio._execute

    def with_limit(self: Minio, method: str, *args: Any, query_params: Any = None, **options: Any) -> Any:
        if query_params and "max-keys" in query_params:
            query_params = {**query_params, "max-keys": "2"}
        return execute(self, method, *args, query_params=query_params, **options)

    monkeypatch.setattr(Minio, "_execute", with_limit)


def poller(bucket: Bucket) -> Poller:
    return working._poller(bucket.services)


def found(bucket: Bucket) -> list[str]:
    """The keys that have an import."""
    return sorted(bucket.services.database["imports"].distinct("key"))


def a_pass(bucket: Bucket) -> int:
    """Makes a whole pass."""
    bucket.reconcile_at(LONG_AGO)
    return poller(bucket).run(Budget(60))


def test_set_up_asks_for_no_events(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, events="poll", webhook_arn="arn:minio:sqs::NOBODY:webhook")
    rules = bucket.services.objects.client.get_bucket_notification(bucket.name)
    assert not rules.queue_config_list


def test_a_new_file_is_imported_by_the_next_call(bucket: Bucket):
    bucket.put("may.csv", csv(line(1)))
    bucket.run()
    assert len(bucket.invoices()) == 1


def test_a_new_version_is_found(bucket: Bucket):
    bucket.put("may.csv", csv(line(1)))
    assert a_pass(bucket) == 1
    bucket.put("may.csv", csv(line(1, status="paid")))
    assert a_pass(bucket) == 1
    assert a_pass(bucket) == 0


def test_versions_that_come_between_two_passes_are_imported_in_their_order(bucket: Bucket):
    """Also within one second, where a server lists whole seconds."""
    for status in ("new", "open", "sent", "paid"):
        bucket.put("may.csv", csv(line(1, status=status)))
    assert a_pass(bucket) == 4
    bucket.run()
    [invoice] = bucket.invoices()
    assert invoice["status"] == "paid"


def test_a_pass_goes_on_from_its_cursor(bucket: Bucket, small_pages: None):
    for name in "bcdef":
        bucket.put(f"{name}.csv", csv(line(name)))
    assert poller(bucket).run(Budget(0)) == 2
    bucket.put("a.csv", csv(line("a")))  # behind the cursor
    bucket.put("g.csv", csv(line("g")))  # ahead of it
    assert [poller(bucket).run(Budget(0)) for _ in range(3)] == [2, 2, 0]
    assert found(bucket) == [f"{name}.csv" for name in "bcdefg"]
    assert a_pass(bucket) == 1
    assert found(bucket)[0] == "a.csv"


def test_many_new_files_take_several_calls(bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(polling, "_KEYS_AT_ONCE", 2)
    for name in "abcde":
        bucket.put(f"{name}.csv", csv(line(name)))
    assert [poller(bucket).run(Budget(0)) for _ in range(4)] == [2, 2, 1, 0]


def test_a_pass_begins_again_if_the_server_does_not_know_its_place(bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    bucket.put("may.csv", csv(line(1)))
    bucket.services.database["cursors"].update_one({"_id": CURSOR_ID}, {"$set": {"token": "of before"}})

    def refusing(store: ObjectStore, name: str, token: str = "") -> tuple[list[ListedObject], str]:
        if token:
            raise ObjectGone("the continuation token is incorrect")
        return list_newest(store, name)

    monkeypatch.setattr(polling, "list_newest", refusing)
    assert poller(bucket).run(Budget(60)) == 1


def test_a_small_bucket_is_not_listed_by_each_of_many_calls(bucket: Bucket):
    bucket.put("may.csv", csv(line(1)))
    assert poller(bucket).run(Budget(60)) == 1
    bucket.put("june.csv", csv(line(1)))
    assert poller(bucket).run(Budget(60)) == 0  # the next pass is due in a second


def test_one_replica_goes_on_with_a_pass_unless_it_is_silent(bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    bucket.put("may.csv", csv(line(1)))
    cursors = bucket.services.database["cursors"]
    found_by_others = []

    def by_a_slow_replica(store: ObjectStore, name: str, token: str) -> tuple[list[ListedObject], str]:
        monkeypatch.undo()
        found_by_others.append(poller(bucket).run(Budget(60)))
        cursors.update_one({"_id": CURSOR_ID}, {"$set": {"heldUntil": LONG_AGO}})
        found_by_others.append(poller(bucket).run(Budget(60)))
        return list_newest(store, name, token)

    monkeypatch.setattr(polling, "list_newest", by_a_slow_replica)
    assert poller(bucket).run(Budget(60)) == 0
    assert found_by_others == [0, 1]


def test_a_pass_that_never_ends_holds_up_no_import(
    make_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
):
    bucket = bucket_with(make_services, events="poll", work_budget_seconds=2.0)
    bucket.reconcile_at(LONG_AGO)
    bucket.put("may.csv", csv(line(1)))
    page, _ = list_newest(bucket.services.objects, bucket.name)
    monkeypatch.setattr(polling, "list_newest", lambda *_: (page, "more"))
    bucket.run()
    assert len(bucket.invoices()) == 1


def test_a_file_without_an_import_is_found_among_dry_runs(bucket: Bucket):
    version = bucket.services.objects.find(bucket.name, "may.csv", bucket.put("may.csv", csv(line(1))))
    bucket.ledger.submit(version, dry_run=True)
    assert a_pass(bucket) == 1


def test_a_deleted_file_has_no_import(bucket: Bucket):
    bucket.put("may.csv", csv(line(1)))
    bucket.services.objects.client.remove_object(bucket.name, "may.csv")
    assert a_pass(bucket) == 0


def test_files_are_found_whatever_the_order_of_the_listing(bucket: Bucket):
    """SeaweedFS lists a folder before its neighbours: `may/` before `may-1.csv`, though `-` is less than `/`."""
    names = [f"may-{n}.csv" for n in range(1050)] + [f"may/{n}.csv" for n in range(30)]
    with ThreadPoolExecutor(4) as uploads:
        list(uploads.map(lambda name: bucket.put(name, b"x"), names))
    while poller(bucket).run(Budget(0)):  # one call for each page
        pass
    assert set(names) - set(found(bucket)) == set()
    assert bucket.services.database["imports"].count_documents({}) == len(names)
    assert a_pass(bucket) == 0


def test_a_clock_that_differs_hides_no_file(bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    bucket.put("may.csv", csv(line(1)))
    late = polling.server_time(bucket.services.database) - timedelta(hours=1)
    bucket.services.database["cursors"].update_one({"_id": CURSOR_ID}, {"$set": {"dueAt": late - timedelta(hours=1)}})
    monkeypatch.setattr(polling, "server_time", lambda _: late)
    assert poller(bucket).run(Budget(60)) == 1
