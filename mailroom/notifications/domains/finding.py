"""What a check of a domain found."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Grade(StrEnum):
    """How good a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"  # the DNS does not answer


class Finding(msgspec.Struct, frozen=True):
    """The finding of the check `check`, such as `SPF`. `text` says what is there, or what to do."""

    check: str
    grade: Grade
    text: str


def tags(record: str) -> dict[str, str]:
    """The tags of a DKIM or DMARC record: `v=DMARC1; p=none`. Names are in lower case."""
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}
