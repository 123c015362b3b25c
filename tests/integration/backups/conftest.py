"""Backups of a test's own database and buckets, into a folder or into a bucket."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from minio.deleteobjects import DeleteObject

from mailroom.backups import backup, restore
from mailroom.backups.archive import Archive
from mailroom.backups.manifest import Backup
from mailroom.deploy import setup
from mailroom.platform.objects import ObjectVersion
from mailroom.services import Services
from tests.integration.invoices.files import Bucket


def quiet(_: str) -> None:
    """Prints nothing."""


@dataclass
class World:
    """The database and buckets, the archive, and a clock that moves a day with each backup."""

    services: Services
    archive: Archive
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def back_up(self, **options: Any) -> Backup:
        self.now += timedelta(days=1)
        return backup.create(self.services, self.archive, quiet, now=self.now, **options)

    def expire(self, keep: int) -> None:
        backup.expire(self.archive, keep, quiet, now=self.now)

    def restore(self, which: Backup, **options: Any) -> None:
        restore.restore(self.services, self.archive, which, quiet, **options)

    def wipe(self) -> None:
        """Empties the database and the buckets, like new servers."""
        client = self.services.objects.client
        self.services.database.client.drop_database(self.services.database.name)
        for bucket in backup.bucket_names(self.services):
            found = client.list_objects(bucket, recursive=True, include_version=True)
            doomed = [DeleteObject(str(each.object_name), each.version_id) for each in found]
            assert not list(client.remove_objects(bucket, doomed))
            client.remove_bucket(bucket)

    def documents(self) -> dict[str, list[bytes]]:
        """Every collection with its documents as bytes, without the cursor of the reconciliation."""
        database = self.services.database
        raw = database.codec_options.with_options(document_class=RawBSONDocument)
        return {
            name: [each.raw for each in database.get_collection(name, codec_options=raw).find().sort("_id", 1)]
            for name in database.list_collection_names()
            if name not in ("cursors", "kicks", "workers")
        }

    def objects(self) -> dict[ObjectVersion, tuple[bytes, dict[str, str]]]:
        """Every version with its bytes and metadata."""
        store = self.services.objects
        found = {}
        for bucket in backup.bucket_names(self.services):
            for version in store.versions(bucket):
                headers = store.metadata(version)
                kept = {name: value for name, value in headers.items() if name.startswith(("content-type", "x-amz-m"))}
                with store.read(version) as pieces:
                    found[version] = b"".join(pieces), kept
        return found


@pytest.fixture(params=["folder", "bucket"])
def backup_to(request: pytest.FixtureRequest, services: Services, tmp_path: Path) -> str:
    """The place for backups: a folder or a bucket."""
    if request.param == "folder":
        folder = tmp_path / "archive"
        folder.mkdir()
        return str(folder)
    name = f"archive-{secrets.token_hex(4)}"
    services.objects.client.make_bucket(name)
    for part in ("access-key", "secret-key"):
        given = services.secrets.read(f"mailroom-s3-{part}")
        (services.settings.secrets_dir / f"mailroom-backup-{part}").write_text(given)
    return f"{services.settings.s3_endpoint}/{name}"


@pytest.fixture
def world(make_services: Callable[..., Services], backup_to: str) -> World:
    services = make_services(backup_to=backup_to, mongodb_timeout_seconds=60.0)
    setup.run(services, quiet)
    return World(services, backup.open_archive(services))


@pytest.fixture
def bucket(world: World) -> Bucket:
    return Bucket(world.services)
