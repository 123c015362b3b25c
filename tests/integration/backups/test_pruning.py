"""Old backups are removed, with the files that no other backup lists."""

from __future__ import annotations

import pytest

from mailroom.backups import manifest
from mailroom.backups.packing import Stream
from tests.integration.backups.conftest import World
from tests.integration.invoices.files import Bucket, csv, line

# Only MinIO puts a version back under its id: docs/storage.md.
pytestmark = pytest.mark.minio


def test_pruning_keeps_the_newest_backups_and_the_files_they_list(world: World, bucket: Bucket) -> None:
    bucket.put("gone.csv", csv(line(1)))
    bucket.put("stays.csv", csv(line(2)))
    oldest = world.back_up()
    version = world.services.objects.find(bucket.name, "gone.csv")
    world.services.objects.client.remove_object(bucket.name, "gone.csv", version.version_id)
    kept = [world.back_up() for _ in range(3)]

    world.expire(2)

    assert manifest.finished(world.archive) == [each.name for each in kept[1:]]
    names = {entry.name for entry in world.archive.entries(manifest.BACKUPS)}
    assert not [name for name in names if oldest.name in name]
    assert len(list(world.archive.entries(manifest.OBJECTS))) == 1
    objects = world.objects()
    world.wipe()
    world.restore(kept[-1])
    assert world.objects() == objects


def test_pruning_with_a_damaged_backup_damages_no_other(world: World, bucket: Bucket) -> None:
    bucket.put("a.csv", csv(line(1)))
    made = [world.back_up() for _ in range(4)]
    listed = made[2].manifest.objects
    assert listed is not None
    world.archive.write(listed.name, Stream([b"rotten"]))
    objects = {entry.name for entry in world.archive.entries(manifest.OBJECTS)}
    for _ in range(2):
        world.expire(3)
        assert manifest.finished(world.archive) == [each.name for each in made[1:]]
    world.archive.write(manifest.path(made[1].name, manifest.MANIFEST), Stream([b'{"mailroom": "\xff"}']))
    world.expire(3)
    assert {entry.name for entry in world.archive.entries(manifest.OBJECTS)} == objects
    world.wipe()
    world.restore(made[3])
    assert {version.key for version in world.objects()} == {"a.csv"}


def test_backups_of_one_kind_do_not_push_out_the_other(world: World, bucket: Bucket) -> None:
    bucket.put("a.csv", csv(line(1)))
    whole = world.back_up()
    databases = [world.back_up(only="database") for _ in range(3)]
    world.expire(2)
    assert manifest.finished(world.archive) == [whole.name, *(each.name for each in databases[1:])]
    world.wipe()
    world.restore(whole)
    assert {version.key for version in world.objects()} == {"a.csv"}


def test_pruning_keeps_the_files_of_a_backup_in_progress(world: World, bucket: Bucket) -> None:
    world.now = world.now.replace(year=world.now.year - 1)  # so that files written now are not old
    bucket.put("a.csv", csv(line(1)))
    for _ in range(2):
        world.back_up(only="database")
    unfinished = world.back_up()
    world.archive.remove(manifest.path(unfinished.name, manifest.MANIFEST))

    world.expire(2)

    manifest.write(world.archive, unfinished)
    world.wipe()
    world.restore(unfinished)
    assert {version.key for version in world.objects()} == {"a.csv"}
