"""The statuses that an invoice may have, in files and in the API."""

from __future__ import annotations

import msgspec

from mailroom.errors import Invalid
from mailroom.invoices.model.columns import TEXTS
from mailroom.invoices.model.texts import BadValue, read_text


class Statuses(msgspec.Struct, frozen=True):
    """`allowed` are those that a file may have somewhere; empty: any. An invoice may always have none."""

    allowed: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, setting: str) -> Statuses:
        """As IMPORT_STATUSES has them, separated by commas."""
        return cls(frozenset(filter(None, map(str.strip, setting.split(",")))))

    def read(self, text: str) -> str:
        """The status as it is stored, by the rules of a file's rows. Raises `Invalid`."""
        status = read_text(text, TEXTS["status"])
        if isinstance(status, BadValue):
            raise Invalid("status", "status.invalid", status.message)
        if not status or not self.allowed or status in self.allowed:
            return status
        for allowed in sorted(self.allowed):
            if status.casefold() == allowed.casefold():
                return allowed
        raise Invalid("status", "status.unknown", f"status must be one of {', '.join(sorted(self.allowed))}")
