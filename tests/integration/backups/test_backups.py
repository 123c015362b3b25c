"""A restore brings back documents and versions with their identity, and nothing of a damaged backup."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from minio import Minio

from mailroom.backups import buckets, manifest
from mailroom.backups.archive import ArchiveUnusable, FolderArchive
from mailroom.backups.backup import open_archive
from mailroom.backups.packing import Stream
from mailroom.backups.restore import DoesNotFit, NotEmpty
from mailroom.deploy import setup
from mailroom.errors import InvalidSetting
from mailroom.notifications.app import create_app
from mailroom.notifications.outbox.upgrade import UPGRADE_ID
from tests.integration.backups.conftest import World
from tests.integration.invoices.files import Bucket, a_minute_later, counts, csv, line

# Only MinIO puts a version back under its id: docs/storage.md.
pytestmark = pytest.mark.minio

MULTIPART = 6 << 20


def fill(world: World, bucket: Bucket) -> None:
    """Stores a file in two versions, one with a rejected row, a deleted file, attachments, a key, a queued message."""
    bucket.import_("a.csv", csv(line(1), line(2)))
    bucket.import_("a.csv", csv(line(1, status="paid"), line(3, gross="no number")))
    bucket.import_("ä b/+gone.csv", csv(line(4)))
    client = world.services.objects.client
    client.remove_object(bucket.name, "ä b/+gone.csv")
    attachments = world.services.settings.attachments_bucket
    large = BytesIO(bytes(range(256)) * (MULTIPART // 256) + b"the second part")
    client.put_object(attachments, "large.bin", large, MULTIPART + 15, part_size=5 << 20, metadata={"of": "us"})
    client.put_object(attachments, "empty.pdf", BytesIO(b""), 0, content_type="application/pdf")
    world.services.keys.create("somebody", ["invoices:read"])
    assert send(world, "queued@example.com")["status"] == 202


def send(world: World, to: str) -> dict[str, int]:
    key = world.services.keys.create("sender", ["notifications:send"]).text
    body = f'{{"emailTo": "{to}", "subject": "s", "message": "m"}}'.encode()
    headers = {"Authorization": f"Bearer {key}", "Prefer": "respond-async"}
    answer = create_app(world.services).test_client().post("/", data=body, headers=headers)
    return {"status": answer.status_code}


def test_a_restore_brings_back_everything(world: World, bucket: Bucket) -> None:
    fill(world, bucket)
    documents, objects = world.documents(), world.objects()
    made = world.back_up()
    world.wipe()

    world.restore(manifest.read(world.archive))

    assert world.documents() == documents
    assert world.objects() == objects
    assert len(objects) == 6  # three of invoices, a rejects file, two attachments
    assert list(world.services.objects.deleted(bucket.name)) == ["ä b/+gone.csv"]
    for name, wanted in setup.INDEXES.items():
        assert {each.document["name"] for each in wanted} < set(world.services.database[name].index_information())
    assert manifest.finished(world.archive) == [made.name]


def test_the_addresses_of_an_earlier_version_are_found_after_a_restore(world: World) -> None:
    database = world.services.database
    database["notifications"].insert_one(
        {"recipients": [{"address": "stra\u00dfe@example.com"}], "addresses": ["strasse@example.com"]}
    )
    database["cursors"].delete_one({"_id": UPGRADE_ID})
    made = world.back_up()
    world.wipe()

    world.restore(made)

    assert world.services.database["notifications"].find_one({"addresses": "stra\u00dfe@example.com"})


def test_imports_continue_from_their_checkpoint_after_a_restore(world: World, bucket: Bucket) -> None:
    bucket.import_("done.csv", csv(line(1, status="open")))
    waiting = bucket.submit("waiting.csv", csv(line(2)))
    bucket.put("untold.csv", csv(line(3)))
    made = world.back_up()
    world.wipe()

    world.restore(made)
    with a_minute_later():
        bucket.run()

    # Reconciliation is due. It finds the uploads after the database was read, and knows the imported ones.
    assert bucket.job(waiting)["state"] == "done"
    assert sorted(each["invoiceNumber"] for each in bucket.invoices()) == ["1", "2", "3"]
    assert world.services.database["imports"].count_documents({}) == 3


def test_an_import_compares_its_rows_anew_after_a_restore(world: World, bucket: Bucket) -> None:
    import_id = bucket.submit("differing.csv", csv(line(1), line(2), line(1, status="paid")))
    bucket.ledger.release(bucket.compare_rows())
    # The import ends after the backup has read `imports`, and removes what its comparison found.
    world.services.database["comparisons"].delete_many({})
    made = world.back_up()
    world.wipe()

    world.restore(made)
    with a_minute_later():
        bucket.run()

    assert counts(bucket.job(import_id)) == (3, 1, 0, 0, 0, 2)


def test_the_bytes_of_a_version_are_copied_once(world: World, bucket: Bucket) -> None:
    bucket.put("a.csv", csv(line(1)))
    bucket.put("c.csv", csv(line(2)))
    world.back_up()
    first = {entry.name: entry.written for entry in world.archive.entries(manifest.OBJECTS)}
    bucket.put("b.csv", csv(line(3)))
    bucket.put("a.csv", csv(line(4)))
    objects = world.objects()
    made = world.back_up()
    second = {entry.name: entry.written for entry in world.archive.entries(manifest.OBJECTS)}

    assert len(first) == 2
    assert len(second) == 4
    assert second.items() >= first.items()
    world.wipe()
    world.restore(made)
    assert world.objects() == objects


@pytest.mark.parametrize("backup_to", ["folder"], indirect=True)
def test_a_backup_is_whole_if_copying_takes_longer_than_minio_keeps_a_list(
    world: World, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that MinIO has forgotten ends too soon within `may/`. Here a copy takes a second, a list lives for ten."""
    names = [*(f"may-{n:03}.csv" for n in range(150)), *(f"may/{n:02}.csv" for n in range(60)), "z.csv"]
    with ThreadPoolExecutor(4) as uploads:
        list(uploads.map(lambda name: bucket.put(name, b"x"), names))
    seconds = listed_at = 0
    execute, write = Minio._execute, FolderArchive.write

    def execute_later(self: Minio, method: str, *args: Any, query_params: Any = None, **options: Any) -> Any:
        nonlocal listed_at
        if query_params and "versions" in query_params:
            query_params = {**query_params, "max-keys": "20"}
            if seconds - listed_at > 10 and "key-marker" in query_params:
                query_params["key-marker"] = query_params["key-marker"].partition("[minio_cache:")[0]
            listed_at = seconds
        return execute(self, method, *args, query_params=query_params, **options)

    def write_slowly(self: FolderArchive, name: str, content: Stream) -> None:
        nonlocal seconds
        seconds += 1
        write(self, name, content)

    monkeypatch.setattr(Minio, "_execute", execute_later)
    monkeypatch.setattr(FolderArchive, "write", write_slowly)
    monkeypatch.setattr("mailroom.backups.buckets.monotonic", lambda: seconds)
    made = world.back_up()
    assert {each.key for each in buckets.lines(world.archive, made)} == set(names)


def test_a_database_that_is_not_empty_is_replaced_only_when_asked(world: World, bucket: Bucket) -> None:
    bucket.import_("a.csv", csv(line(1)))
    documents = world.documents()
    made = world.back_up()
    bucket.import_("b.csv", csv(line(2)))

    with pytest.raises(NotEmpty, match="imports, invoices"):
        world.restore(made)
    assert len(bucket.invoices()) == 2

    world.restore(made, replace=True)
    assert world.documents() == documents
    assert {version.key for version in world.objects()} == {"a.csv", "b.csv"}  # the newer object stayed
    with a_minute_later():
        bucket.run()
    assert len(bucket.invoices()) == 2  # and was found


def test_a_single_part_can_be_restored(world: World, bucket: Bucket) -> None:
    bucket.import_("a.csv", csv(line(1)))
    objects, documents = world.objects(), world.documents()
    of_the_database = world.back_up(only="database")
    with pytest.raises(DoesNotFit, match="--only database"):
        world.restore(of_the_database, replace=True)
    whole = world.back_up()
    world.wipe()

    world.restore(of_the_database, only="database")
    assert (world.documents(), world.objects()) == (documents, {})
    world.restore(whole, only="buckets")
    assert (world.documents(), world.objects()) == (documents, objects)


def test_an_object_deleted_and_uploaded_again_after_the_backup_is_not_deleted(world: World, bucket: Bucket) -> None:
    bucket.put("a.csv", csv(line(1)))
    world.services.objects.client.remove_object(bucket.name, "a.csv")
    made = world.back_up()
    bucket.put("a.csv", csv(line(2)))

    world.restore(made, only="buckets")

    assert list(world.services.objects.deleted(bucket.name)) == []


def test_a_restore_can_hold_waiting_mail(world: World) -> None:
    assert send(world, "queued@example.com")["status"] == 202
    made = world.back_up()
    world.wipe()

    world.restore(made, hold_mail=True)

    [message] = world.services.database["notifications"].find()
    assert (message["state"], "dueAt" in message) == ("unknown", False)


def test_a_restore_to_other_bucket_names_is_refused(world: World, make_services, backup_to: str) -> None:
    made = world.back_up()
    others = World(make_services(backup_to=backup_to, invoices_bucket="elsewhere"), world.archive)
    with pytest.raises(DoesNotFit, match="elsewhere"):
        others.restore(made, replace=True)


def test_a_drill_restores_into_a_separate_database(world: World, bucket: Bucket, make_services, backup_to: str) -> None:
    bucket.import_("a.csv", csv(line(1)))
    made, documents = world.back_up(), world.documents()
    name = f"{world.services.database.name}_drill"
    drill = World(make_services(backup_to=backup_to, mongodb_database=name), world.archive)
    try:
        drill.restore(made)
        assert drill.documents() == documents
    finally:
        drill.services.database.client.drop_database(name)


@pytest.mark.parametrize("wrong", ["backups", "https://s3.example.com/", "s3://backups", "https://a/b/c"])
def test_a_wrong_folder_is_named(make_services, wrong: str) -> None:
    with pytest.raises(InvalidSetting, match="BACKUP_TO"):
        open_archive(make_services(backup_to=wrong))


def test_a_missing_folder_is_not_made(make_services, tmp_path: Path) -> None:
    with pytest.raises(ArchiveUnusable, match="there is no folder"):
        open_archive(make_services(backup_to=str(tmp_path / "not-mounted")))
    assert not (tmp_path / "not-mounted").exists()


def test_a_missing_bucket_is_named(world: World, make_services) -> None:
    settings = world.services.settings
    for part in ("access-key", "secret-key"):
        given = world.services.secrets.read(f"mailroom-s3-{part}")
        (settings.secrets_dir / f"mailroom-backup-{part}").write_text(given)
    services = make_services(backup_to=f"{settings.s3_endpoint}/not-there")
    with pytest.raises(ArchiveUnusable, match="not-there"):
        World(services, open_archive(services)).back_up()


@pytest.mark.slow
@pytest.mark.parametrize("backup_to", ["folder"], indirect=True)
def test_documents_of_any_size_are_restored(world: World) -> None:
    """Batches end by number and by bytes."""
    collection = world.services.database["templates"]
    for size in (5 << 20, 1):
        collection.insert_one({"_id": ObjectId(), "name": str(ObjectId()), "version": 1, "content": bytes(size)})
    collection.insert_many([{"name": str(number), "version": 1} for number in range(1001)])
    made, documents = world.back_up(), world.documents()
    world.wipe()
    world.restore(made)
    assert world.documents() == documents
