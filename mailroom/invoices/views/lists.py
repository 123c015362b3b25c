"""Reads invoices and imports for the API."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from bson import ObjectId

from mailroom.invoices.views.export import BATCH, Export
from mailroom.invoices.views.filters import (
    ImportFilter,
    InvoiceFilter,
    changed_by_import,
    plan_imports,
    plan_invoices,
)
from mailroom.invoices.views.totals import Totals, read_totals
from mailroom.platform.clock import Budget
from mailroom.platform.keyset import Key, KeysetPage, Range
from mailroom.platform.mongo import Document, Documents

# Of a running import: the ids that its workers write. There may be many.
_WITHOUT_IDS = {"partIds": 0}


class Queries(msgspec.Struct, frozen=True):
    """The collections `invoices` and `imports`. Each list is read through one index, or refused.

    Blocks for MongoDB's answers; errors are the driver's.
    """

    invoices: Documents
    imports: Documents

    def list_invoices(self, wanted: InvoiceFilter, limit: int, after: Key | None = None) -> KeysetPage[Document]:
        """A page of invoices. Raises `Invalid` for a combination that no index serves."""
        return self._plan(wanted).page(self.invoices, limit, after)

    def export(self, wanted: InvoiceFilter, budget: Budget, after: Key | None = None) -> Export:
        """All invoices, until `budget` is spent. Reads the first now, so that an error comes now.

        Raises:
            Invalid: no index serves this combination.
        """
        listed = self._plan(wanted)
        found = listed.read(self.invoices, after, batch_size=BATCH)
        return Export(found, listed.order, budget)

    def totals(
        self, wanted: InvoiceFilter, by: Sequence[str], limit: int, after: Sequence[str] | None, seconds: float
    ) -> Totals:
        """A page of sums of invoices, grouped `by` dimensions. Blocks for `seconds` at most.

        Raises:
            Invalid: no index serves this combination, or these are more invoices than can be summed in this time.
        """
        return read_totals(self.invoices, self._plan(wanted), by, limit, after, seconds)

    def invoice(self, id_: ObjectId) -> Document | None:
        return self.invoices.find_one({"_id": id_})

    def list_imports(self, wanted: ImportFilter, limit: int, after: Key | None = None) -> KeysetPage[Document]:
        """A page of imports, newest first. Raises `Invalid` for a combination that no index serves."""
        return plan_imports(wanted).page(self.imports, limit, after, _WITHOUT_IDS)

    def import_(self, id_: ObjectId) -> Document | None:
        return self.imports.find_one({"_id": id_}, _WITHOUT_IDS)

    def _plan(self, wanted: InvoiceFilter) -> Range:
        listed = plan_invoices(wanted)
        if wanted.import_id is None:
            return listed
        times = {"startedAt": 1, "finishedAt": 1, "quietAt": 1}
        return changed_by_import(listed, self.imports.find_one({"_id": wanted.import_id}, times))
