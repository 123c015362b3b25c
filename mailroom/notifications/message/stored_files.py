"""Files of the attachments' bucket. A version is chosen when a message is accepted, and read when it is sent."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from mailroom.errors import Invalid, MissingSecret
from mailroom.notifications.model.messages import Attachment, StoredFile
from mailroom.platform.objects import ObjectGone, ObjectStore, ObjectVersion

_LONGEST_KEY = 1024  # bytes, S3's own limit


# Takes an object, a version of it (or an empty text), and the field of the request; returns what `Files.pin` returns.
Pin = Callable[[str, str, str], tuple[StoredFile, int]]


class Files(msgspec.Struct, frozen=True):
    """`store` has credentials of its own, which can read no other bucket. Blocks for its answers."""

    store: ObjectStore
    bucket: str

    def pin(self, key: str, version_id: str, field: str) -> tuple[StoredFile, int]:
        """Returns a version of an object, by default the newest, and its size in bytes.

        Raises:
            Invalid: there is no such object.
            Unavailable: the store does not answer.
        """
        if not key or len(key.encode()) > _LONGEST_KEY or not key.isprintable():
            raise Invalid(f"{field}.object", "attachment.object", "object must be the name of an object")
        try:
            found = self.store.find(self.bucket, key, version_id)
        except ObjectGone:
            which = "versionId" if version_id else "object"
            detail = f"the bucket {self.bucket} has no such object, or not this version"
            raise Invalid(f"{field}.{which}", "attachment.unknown", detail) from None
        except MissingSecret as error:
            detail = "no store of attachments is set up here: give the content"
            raise Invalid(f"{field}.object", "attachment.no_store", detail) from error
        return StoredFile(key, found.version_id, found.etag), found.size

    def content(self, attachment: Attachment) -> bytes:
        """Its content, read from the bucket if it is there. Raises as `read`."""
        return self.read(attachment.stored, attachment.size) if attachment.stored else attachment.content

    def read(self, file: StoredFile, size: int) -> bytes:
        """Reads that version.

        Raises:
            ObjectGone: it was deleted since.
            Unavailable, MissingSecret: it cannot be read now.
        """
        version = ObjectVersion(self.bucket, file.key, file.version_id, file.etag, size, 0)
        with self.store.read(version) as chunks:
            return b"".join(chunks)
