"""Secrets are files, one each, as OpenFaaS and Kubernetes mount them. They are re-read when they change."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mailroom.errors import MissingSecret

S3_ACCESS_KEY = "mailroom-s3-access-key"
S3_SECRET_KEY = "mailroom-s3-secret-key"  # noqa: S105  # pragma: allowlist secret
WEBHOOK_TOKEN = "mailroom-webhook-token"  # noqa: S105  # pragma: allowlist secret
UPLOADS_ACCESS_KEY = "mailroom-uploads-access-key"
UPLOADS_SECRET_KEY = "mailroom-uploads-secret-key"  # noqa: S105  # pragma: allowlist secret
SMTP_USERNAME = "mailroom-smtp-username"
SMTP_PASSWORD = "mailroom-smtp-password"  # noqa: S105  # pragma: allowlist secret
ATTACHMENTS_ACCESS_KEY = "mailroom-attachments-access-key"
ATTACHMENTS_SECRET_KEY = "mailroom-attachments-secret-key"  # noqa: S105  # pragma: allowlist secret
BACKUP_ACCESS_KEY = "mailroom-backup-access-key"
BACKUP_SECRET_KEY = "mailroom-backup-secret-key"  # noqa: S105  # pragma: allowlist secret
DKIM_KEY = "mailroom-dkim-key"
DKIM_KEYS = "mailroom-dkim-keys"  # of further domains, as JSON
IMAP_USERNAME = "mailroom-imap-username"
IMAP_PASSWORD = "mailroom-imap-password"  # noqa: S105  # pragma: allowlist secret
SIGNING_KEY = "mailroom-signing-key"  # one key a line
EVENTS_POSTMARK = "mailroom-events-postmark"
EVENTS_MAILGUN = "mailroom-events-mailgun"
EVENTS_GENERIC = "mailroom-events-generic"


class Secrets(msgspec.Struct, frozen=True):
    """Reads secrets from the files of one folder. The files are small, and reading one costs microseconds."""

    folder: Path

    def read(self, name: str) -> str:
        """The secret, without surrounding white space.

        Raises:
            MissingSecret: the file is missing, unreadable, empty or no text. The message names it, never its content.
        """
        value = self.read_optional(name)
        if not value:
            raise MissingSecret(f"the secret {name} is missing or empty: expected in the file {self.folder / name}")
        return value

    def read_optional(self, name: str) -> str:
        """The secret, or an empty string when there is none, or the file is no text."""
        try:
            return (self.folder / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""


def lines(secret: str) -> list[str]:
    """The secrets of a file that holds one a line, so that a new one and the old one overlap. The new one is first."""
    return [line.strip() for line in secret.splitlines() if line.strip()]
