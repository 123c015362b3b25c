"""The status of an invoice, as files and this API may give it."""

from __future__ import annotations

import msgspec

from mailroom.invoices.files.amounts import Fault
from mailroom.invoices.files.rows import LIMITS
from mailroom.invoices.model.texts import read_text
from mailroom.web.problems import Problem


class Statuses(msgspec.Struct, frozen=True):
    """`allowed` are those that a file may have somewhere; empty: any. An invoice may always have none."""

    allowed: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, setting: str) -> Statuses:
        """As IMPORT_STATUSES has them, separated by commas."""
        return cls(frozenset(filter(None, map(str.strip, setting.split(",")))))

    def read(self, text: str) -> str:
        """The status as it is stored, by the rules of a file's rows. Raises `Problem` 422."""
        status = read_text(text, LIMITS["status"], required=False, multiline=False)
        if isinstance(status, Fault):
            raise Problem(422, "status.invalid", status.message, field="status")
        if not status or not self.allowed or status in self.allowed:
            return status
        for allowed in sorted(self.allowed):
            if status.casefold() == allowed.casefold():
                return allowed
        raise Problem(422, "status.unknown", f"status must be one of {', '.join(sorted(self.allowed))}", field="status")
