"""Nothing of a damaged or unfinished backup is restored, and it damages no other."""

from __future__ import annotations

import pytest

from mailroom.backups import manifest
from mailroom.backups.manifest import Damaged, NoSuchBackup
from mailroom.backups.packing import Stream
from tests.integration.backups.conftest import World
from tests.integration.invoices.files import Bucket, csv, line

# Only MinIO puts a version back under its id: docs/storage.md.
pytestmark = pytest.mark.minio


def damages() -> list[str]:
    return ["collection", "list", "object", "missing object", "missing collection", "manifest"]


@pytest.mark.parametrize("damage", damages())
def test_a_damaged_backup_is_refused_and_nothing_is_changed(world: World, bucket: Bucket, damage: str) -> None:
    bucket.import_("a.csv", csv(line(1)))
    made = world.back_up()
    name = {
        "collection": made.manifest.collections[-1].name,
        "list": made.manifest.objects.name,  # type: ignore[union-attr]
        "object": next(world.archive.entries(manifest.OBJECTS)).name,
        "manifest": manifest.path(made.name, manifest.MANIFEST),
    }[damage.removeprefix("missing ")]
    if damage.startswith("missing"):
        world.archive.remove(name)
    else:
        with world.archive.read(name) as file:
            content = file.read()
        world.archive.write(name, Stream([content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]]))
    bucket.import_("b.csv", csv(line(2)))
    documents, objects = world.documents(), world.objects()

    with pytest.raises(Damaged, match=made.name if damage == "manifest" else name):
        world.restore(manifest.read(world.archive, made.name), replace=True)

    assert world.documents() == documents
    assert world.objects() == objects


@pytest.mark.parametrize("damage", ["list", "object", "manifest"])
def test_a_damaged_backup_does_not_damage_the_next(world: World, bucket: Bucket, damage: str) -> None:
    bucket.put("a.csv", csv(line(1)))
    damaged, objects = world.back_up(), world.objects()
    [version] = world.archive.entries(manifest.OBJECTS)
    if damage == "object":
        world.archive.remove(version.name)  # as docs/backup.md advises
    elif damage == "list":
        world.archive.write(damaged.manifest.objects.name, Stream([b"not gzip"]))  # type: ignore[union-attr]
    else:
        world.archive.write(manifest.path(damaged.name, manifest.MANIFEST), Stream([b"{"]))

    made = world.back_up()

    world.wipe()
    world.restore(made)
    assert world.objects() == objects


def test_an_unfinished_backup_cannot_be_restored(world: World, bucket: Bucket) -> None:
    made = world.back_up()
    world.archive.remove(manifest.path(made.name, manifest.MANIFEST))
    for name in ("", made.name):
        with pytest.raises(NoSuchBackup):
            manifest.read(world.archive, name)
