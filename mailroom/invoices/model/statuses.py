"""The statuses that an invoice may have, in files and in the API."""

from __future__ import annotations

import msgspec

from mailroom.invoices.model.columns import TEXTS
from mailroom.invoices.model.texts import BadValue, read_text


class Statuses(msgspec.Struct, frozen=True):
    """`allowed` are those that a file may have somewhere; empty: any. A row of a file may always have none."""

    allowed: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, setting: str) -> Statuses:
        """As IMPORT_STATUSES has them, separated by commas."""
        return cls(frozenset(filter(None, map(str.strip, setting.split(",")))))

    def read(self, text: str, *, required: bool = False) -> str | BadValue:
        """The status as it is stored: an allowed one in its own spelling."""
        status = read_text(text, TEXTS["status"]._replace(required=required))
        if isinstance(status, BadValue) or not status or not self.allowed or status in self.allowed:
            return status
        same = (each for each in sorted(self.allowed) if each.casefold() == status.casefold())
        unknown = BadValue("status.unknown", f"{status!r} is not an allowed status (IMPORT_STATUSES, presets).")
        return next(same, unknown)
