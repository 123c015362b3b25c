"""Where backups lie: a folder, or a bucket of any S3 server. A file is written whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from mailroom.backups.packing import Stream
from mailroom.errors import MailroomError
from mailroom.platform import objects
from mailroom.platform.objects import ObjectGone, ObjectStore, ObjectVersion

_PIECE = 1 << 18
_PART = 16 << 20  # of an upload: held in memory, and S3 takes 10,000


class NotThere(MailroomError):
    """The archive has no such file."""


class ArchiveUnusable(MailroomError):
    """The archive cannot be read or written. The message says why."""


class Entry(NamedTuple):
    """A file of the archive, and when it was written (UTC)."""

    name: str
    written: datetime


class Archive(Protocol):
    """Names have `/` between their parts. Every method blocks; raises ArchiveUnusable or `Unavailable`."""

    def write(self, name: str, content: Stream) -> None:
        """Replaces what is there."""

    def read(self, name: str) -> AbstractContextManager[Stream]:
        """Raises NotThere."""

    def entries(self, prefix: str) -> Iterator[Entry]:
        """The files whose names begin so, which is a whole part."""

    def remove(self, name: str) -> None:
        """Does nothing when there is none."""


class FolderArchive:
    """A folder that is there already: one that is made on the way may lie on a disk that was not mounted."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ArchiveUnusable(f"BACKUP_TO: there is no folder {folder}")
        self._folder = folder

    def write(self, name: str, content: Stream) -> None:
        path = self._folder / name
        part = path.with_name(path.name + ".part")
        with _told(f"{path} cannot be written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                shutil.copyfileobj(content, file, _PIECE)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)

    @contextmanager
    def read(self, name: str) -> Iterator[Stream]:
        path = self._folder / name
        with _told(f"{path} cannot be read"):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                raise NotThere(f"{path} is missing") from None
            with file:
                yield Stream(iter(lambda: file.read(_PIECE), b""))

    def entries(self, prefix: str) -> Iterator[Entry]:
        with _told(f"{self._folder} cannot be read"):
            for folder, _, names in os.walk(self._folder / prefix):
                for name in names:
                    path = Path(folder) / name
                    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                    yield Entry(path.relative_to(self._folder).as_posix(), written)

    def remove(self, name: str) -> None:
        path = self._folder / name
        with _told(f"{path} cannot be removed"):
            path.unlink(missing_ok=True)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


class BucketArchive:
    """A bucket that is there already."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store = store
        self._bucket = bucket

    def write(self, name: str, content: Stream) -> None:
        with self._told():
            # Its size is not known before its end.
            self._store.client.put_object(self._bucket, name, io.BufferedReader(content), -1, part_size=_PART)

    @contextmanager
    def read(self, name: str) -> Iterator[Stream]:
        newest = ObjectVersion(self._bucket, name, "", "*", 0, 0)  # whatever its etag
        try:
            with self._store.read(newest, chunk=_PIECE) as pieces:
                yield Stream(pieces)
        except ObjectGone as error:
            raise NotThere(f"{name} is missing in the bucket {self._bucket}") from error

    def entries(self, prefix: str) -> Iterator[Entry]:
        with self._told():
            for item in self._store.client.list_objects(self._bucket, prefix=f"{prefix}/", recursive=True):
                assert item.object_name is not None  # a listing gives name and time of whatever it lists
                assert item.last_modified is not None
                yield Entry(item.object_name, item.last_modified)

    def remove(self, name: str) -> None:
        with self._told():
            self._store.client.remove_object(self._bucket, name)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with objects.translated_errors():
                yield
        except ObjectGone as error:
            raise ArchiveUnusable(f"BACKUP_TO: the bucket cannot be used: {error}") from error


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArchiveUnusable(f"{what}: {error.strerror or error}") from error
