"""Lists of invoices and imports: which filters and sorts there are, and which index serves them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from bson import ObjectId

from mailroom.invoices.content import lookup
from mailroom.invoices.identity import supplier_key
from mailroom.invoices.ledger import STATES
from mailroom.invoices.piece import Piece
from mailroom.invoices.totals import TotalPage, totals
from mailroom.platform import paging
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.problems import Problem

SORTS = ("invoiceDate", "-invoiceDate", "updatedAt", "-updatedAt")

# The filter that is looked up in the index; of several the most telling. The first two leave so few invoices that the
# others may be checked one by one.
_SELECTIVE = ("invoiceNumber", "supplier")
_LOOKUPS = (*_SELECTIVE, "status", "currency")
_DATES = ("dateFrom", "dateTo")
INVOICE_FILTERS = (*_LOOKUPS, *_DATES, "importId", "updatedSince")
IMPORT_FILTERS = ("bucket", "key", "versionId", "state")

# An export asks MongoDB for so many at once: few enough to be small in memory.
EXPORT_BATCH = 1000

Page = tuple[list[Document], str | None]


@dataclass(frozen=True)
class Selection:
    """Which invoices, and in which order. `index` serves both."""

    filters: Document
    sort: str
    descending: bool

    @property
    def index(self) -> str:
        return "lookups" if "lookups" in self.filters else self.sort


@dataclass(frozen=True)
class Queries:
    """Reads `invoices` and `imports` for the API. Every list is served by an index, or refused with 422."""

    invoices: Documents
    imports: Documents

    def select(self, query: Mapping[str, str]) -> Selection:
        """What `query` asks for. Raises `Problem` 422 for a filter or a combination that is not served."""
        given = [name for name in INVOICE_FILTERS if name in query]
        selective = [name for name in _SELECTIVE if name in given]
        by_change = "updatedAt" if not selective and {"importId", "updatedSince"} & set(given) else "-invoiceDate"
        sort = query.get("sort", by_change)
        if sort not in SORTS:
            raise Problem(422, "sort.invalid", f"sort must be one of {', '.join(SORTS)}", field="sort")
        filters = self._by_update(query, given) if sort.endswith("updatedAt") else _by_date(query, given)
        return Selection(filters, sort.lstrip("-"), sort.startswith("-"))

    def list_invoices(self, query: Mapping[str, str]) -> Page:
        """A page of invoices."""
        chosen = self.select(query)
        return paging.page(self.invoices, chosen.filters, chosen.sort, chosen.descending, query, index=chosen.index)

    def all_invoices(self, query: Mapping[str, str], budget: Budget) -> Piece:
        """The invoices of a filter, as they are read. The first are asked for now, so that an error comes now."""
        chosen = self.select(query)
        direction = -1 if chosen.descending else 1
        filters = paging.after(chosen.filters, chosen.sort, chosen.descending, query)
        cursor = self.invoices.find(filters, batch_size=EXPORT_BATCH)
        cursor.sort([(chosen.sort, direction), ("_id", direction)])
        if filters:
            cursor.hint(chosen.index)
        first = next(cursor, None)

        def documents() -> Generator[Document]:
            with cursor:
                if first is not None:
                    yield first
                    yield from cursor

        return Piece(documents(), budget, lambda last: paging.cursor_behind(chosen.sort, last), EXPORT_BATCH)

    def totals(self, query: Mapping[str, str]) -> TotalPage:
        """Sums of the invoices of a filter."""
        chosen = self.select(query)
        return totals(self.invoices, chosen.filters, query, index=chosen.index if chosen.filters else None)

    def invoice(self, id_: str) -> Document | None:
        return self.invoices.find_one({"_id": paging.object_id(id_, "id")})

    def list_imports(self, query: Mapping[str, str]) -> Page:
        """A page of imports, newest first."""
        if query.get("state", STATES[0]) not in STATES:
            raise Problem(422, "state.unknown", f"state must be one of {', '.join(STATES)}", field="state")
        if "versionId" in query and "key" not in query:
            raise _unserved("versionId", "needs key beside it")
        filters: Document = {name: query[name] for name in IMPORT_FILTERS if name in query}
        return paging.page(self.imports, filters, "createdAt", True, query)

    def import_(self, id_: str) -> Document | None:
        return self.imports.find_one({"_id": paging.object_id(id_, "id")})

    def _by_update(self, query: Mapping[str, str], given: list[str]) -> Document:
        """Served by the index `updatedAt`: what changed since a time, or what one import created or changed."""
        filters: Document = {}
        bounds: Document = {}
        if "importId" in given:
            import_id = paging.object_id(query["importId"], "importId")
            filters["changedBy"] = import_id
            bounds = self._duration(import_id)
            filters |= _equal(query, given) | _date_range(query)
        elif rest := set(given) - {"updatedSince"}:
            raise _unserved(min(rest), "cannot be combined with a sort by updatedAt, unless importId is given")
        if "updatedSince" in given:
            since = paging.time_parameter(query["updatedSince"], "updatedSince")
            bounds["$gte"] = max(since, bounds.get("$gte", since))
        return filters | ({"updatedAt": bounds} if bounds else {})

    def _duration(self, import_id: ObjectId) -> Document:
        """All that an import changed lies between its start and its end; that bounds the scan."""
        found = self.imports.find_one({"_id": import_id}, {"startedAt": 1, "finishedAt": 1}) or {}
        bounds = {"$gte": found.get("startedAt"), "$lte": found.get("finishedAt")}
        return {operator: bound for operator, bound in bounds.items() if bound is not None}


def _by_date(query: Mapping[str, str], given: list[str]) -> Document:
    """Served by `lookups`, or without an equality filter by `invoiceDate`."""
    if "updatedSince" in given:
        raise _unserved("updatedSince", "needs a sort by updatedAt")
    leading = next((name for name in _LOOKUPS if name in given), None)
    if leading not in _SELECTIVE:
        others = [name for name in given if name not in (leading, *_DATES)]
        if others:
            raise _unserved(
                others[0], "needs invoiceNumber or supplier beside it, or a sort by updatedAt with importId"
            )
    filters = _equal(query, given) | _date_range(query)
    if leading is not None:
        value = supplier_key(query[leading]) if leading == "supplier" else query[leading]
        filters["lookups"] = lookup(leading, value)
    if "importId" in given:
        filters["changedBy"] = paging.object_id(query["importId"], "importId")
    return filters


def _equal(query: Mapping[str, str], given: list[str]) -> Document:
    filters: Document = {name: query[name] for name in ("invoiceNumber", "status", "currency") if name in given}
    if "supplier" in given:
        filters["supplierKey"] = supplier_key(query["supplier"])
    return filters


def _date_range(query: Mapping[str, str]) -> Document:
    """`dateFrom` and `dateTo` are both inclusive."""
    bounds = {
        operator: datetime.combine(paging.date_parameter(query[name], name), time(), UTC)
        for name, operator in (("dateFrom", "$gte"), ("dateTo", "$lte"))
        if name in query
    }
    return {"invoiceDate": bounds} if bounds else {}


def _unserved(field: str, why: str) -> Problem:
    return Problem(422, "query.unserved", f"{field} {why}: no index serves this combination", field=field)
