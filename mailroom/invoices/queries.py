"""Lists of invoices and imports: which filters and sorts there are, and which index serves them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from bson import ObjectId
from pymongo.database import Database

from mailroom.invoices.content import lookup
from mailroom.invoices.identity import supplier_key
from mailroom.invoices.ledger import STATES
from mailroom.invoices.outline import Outline, Outlines
from mailroom.invoices.piece import Piece
from mailroom.invoices.totals import TotalPage, totals
from mailroom.platform import paging
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.problems import Problem
from mailroom.platform.windows import Course, Found, read

SORTS = ("invoiceDate", "-invoiceDate", "updatedAt", "-updatedAt")

# The filters with an entry in `lookups`. The first two leave so few invoices that others may be checked one by one.
_SELECTIVE = ("invoiceNumber", "supplier")
_LOOKUPS = (*_SELECTIVE, "status", "currency")
_DATES = ("dateFrom", "dateTo")
INVOICE_FILTERS = (*_LOOKUPS, *_DATES, "importId", "updatedSince")
IMPORT_FILTERS = ("bucket", "key", "versionId", "state")

# An export asks MongoDB for so many at once: few enough to be small in memory.
EXPORT_BATCH = 1000

# A range of more days is not spelled out.
_MOST_DAYS = 1500
_DAY = timedelta(days=1)

# An entry of `lookups` that this part of all invoices has is common.
_COMMON = 1 / 8


@dataclass(frozen=True)
class Way:
    """A condition that an index leads to, `through`, and the filter that it stands for."""

    through: Document
    meant: Document

    def share(self, outline: Outline) -> float:
        """What part of all invoices is there."""
        if "lookups" in self.through:
            return outline.share(self.through["lookups"])
        return outline.share_between(*next(iter(self.through.items())))


@dataclass(frozen=True)
class Selection:
    """Which invoices, and in which order: those within `bounds` of the order's field that meet all conditions.

    `ways` are the conditions that have an index of their own.
    """

    bounds: Document
    ways: list[Way]
    others: Document
    sort: str
    descending: bool

    def filter(self, conditions: Document, way: Way | None) -> Document:
        """With these conditions on the field of the order, by the index of the way, or by that of the order.

        What no index is wanted for stands apart: not every server finds the index for a part of what stands together.
        """
        if way and "lookups" in way.through:
            conditions = _by_day(conditions)
        others = dict(self.others)
        for other in self.ways:
            others |= other.meant if other is not way else {}
        return (way.through if way else {}) | conditions | ({"$and": [{"$or": [others]}]} if others else {})


@dataclass(frozen=True)
class Queries:
    """Reads `invoices` and `imports` for the API. Every list is served by an index, or refused with 422."""

    invoices: Documents
    imports: Documents
    outlines: Outlines

    @classmethod
    def of(cls, database: Database[Document]) -> Queries:
        return cls(database["invoices"], database["imports"], Outlines(database["invoices"]))

    def select(self, query: Mapping[str, str]) -> Selection:
        """What `query` asks for. Raises `Problem` 422 for a filter or a combination that is not served."""
        given = [name for name in INVOICE_FILTERS if name in query]
        selective = [name for name in _SELECTIVE if name in given]
        by_change = "updatedAt" if not selective and {"importId", "updatedSince"} & set(given) else "-invoiceDate"
        sort = query.get("sort", by_change)
        if sort not in SORTS:
            raise Problem(422, "sort.invalid", f"sort must be one of {', '.join(SORTS)}", field="sort")
        bounds, others = self._by_update(query, given) if sort.endswith("updatedAt") else _by_date(query, given)
        ways = _looked_up(query, given)
        if dates := _date_range(query) if sort.endswith("updatedAt") else {}:
            ways.append(Way({"invoiceDate": dates}, {"invoiceDate": dates}))
        return Selection(bounds, ways, others, sort.lstrip("-"), sort.startswith("-"))

    def list_invoices(self, query: Mapping[str, str]) -> paging.Page:
        """A page of invoices."""
        chosen, limit = self.select(query), paging.limit_of(query)
        after = paging.behind(query, chosen.sort)
        return paging.page_of(self._read(chosen, after, limit + 1), limit, chosen.sort)

    def all_invoices(self, query: Mapping[str, str], budget: Budget) -> Piece:
        """The invoices of a filter, as they are read. The first are asked for now, so that an error comes now."""
        chosen = self.select(query)
        read_on = self._read(chosen, paging.behind(query, chosen.sort), EXPORT_BATCH, all_=True)
        first = next(read_on, None)

        def documents() -> Generator[Document]:
            with closing(read_on):
                if first is not None:
                    yield first
                    yield from read_on

        return Piece(documents(), budget, lambda last: paging.cursor_behind(chosen.sort, last), EXPORT_BATCH)

    def totals(self, query: Mapping[str, str]) -> TotalPage:
        """Sums of the invoices of a filter."""
        chosen = self.select(query)
        bounds = {chosen.sort: chosen.bounds} if chosen.bounds else {}
        return totals(self.invoices, chosen.filter(bounds, _rarest(chosen, self.outlines.newest())), query)

    def invoice(self, id_: str) -> Document | None:
        return self.invoices.find_one({"_id": paging.object_id(id_, "id")})

    def list_imports(self, query: Mapping[str, str]) -> paging.Page:
        """A page of imports, newest first."""
        if query.get("state", STATES[0]) not in STATES:
            raise Problem(422, "state.unknown", f"state must be one of {', '.join(STATES)}", field="state")
        if "versionId" in query and "key" not in query:
            raise _unserved("versionId", "needs key beside it")
        filters: Document = {name: query[name] for name in IMPORT_FILTERS if name in query}
        return paging.page(self.imports, filters, "createdAt", True, query)

    def import_(self, id_: str) -> Document | None:
        return self.imports.find_one({"_id": paging.object_id(id_, "id")})

    def _read(
        self, chosen: Selection, after: tuple[datetime, ObjectId] | None, wanted: int, *, all_: bool = False
    ) -> Generator[Document]:
        outline = self.outlines.newest()
        way, expected = _plan(chosen, outline, wanted)
        course = Course(
            chosen.sort,
            descending=chosen.descending,
            bounds=chosen.bounds,
            stops=outline.stops[chosen.sort] if expected else (),
            after=after,
            sliced=way is None,
        )

        def ordered(conditions: Document) -> Found:
            found = self.invoices.find(chosen.filter(conditions, way), batch_size=EXPORT_BATCH if all_ else 0)
            return found.sort(paging.order(chosen.sort, chosen.descending))

        return read(ordered, course, expected, wanted, all_=all_)

    def _by_update(self, query: Mapping[str, str], given: list[str]) -> tuple[Document, Document]:
        """Bounds of `updatedAt`, and the other filters: what changed since a time, or what one import changed."""
        bounds: Document = {}
        others: Document = {}
        if "importId" in given:
            others["changedBy"] = paging.object_id(query["importId"], "importId")
            bounds = self._duration(others["changedBy"])
        elif rest := set(given) - {"updatedSince"}:
            raise _unserved(min(rest), "cannot be combined with a sort by updatedAt, unless importId is given")
        if "updatedSince" in given:
            since = paging.time_parameter(query["updatedSince"], "updatedSince")
            bounds["$gte"] = max(since, bounds.get("$gte", since))
        return bounds, others

    def _duration(self, import_id: ObjectId) -> Document:
        """All that an import changed lies between its start and its end; that bounds the scan."""
        found = self.imports.find_one({"_id": import_id}, {"startedAt": 1, "finishedAt": 1}) or {}
        bounds = {"$gte": found.get("startedAt"), "$lte": found.get("finishedAt")}
        return {operator: bound for operator, bound in bounds.items() if bound is not None}


def _plan(chosen: Selection, outline: Outline, wanted: int) -> tuple[Way | None, float]:
    """Through what the invoices are read, and how many a weight of 1 should bring (0: read all of them at once).

    By date, an entry of `lookups` has its invoices in order. A common one does without: they are read in the order of
    the field, and left out one by one, for a range of theirs cannot be cut within one day. In the order of change, a
    way is taken if fewer invoices are on it than would have to be left out; those are sorted.
    """
    rarest = _rarest(chosen, outline)
    if rarest is None:
        return None, outline.each
    share = rarest.share(outline)
    if chosen.sort == "invoiceDate":
        return rarest if share < _COMMON else None, outline.each * share
    all_ = outline.each * outline.size
    return (rarest, 0) if share * all_ * share < wanted else (None, outline.each * share)


def _rarest(chosen: Selection, outline: Outline) -> Way | None:
    return min(chosen.ways, key=lambda way: way.share(outline), default=None)


def _by_date(query: Mapping[str, str], given: list[str]) -> tuple[Document, Document]:
    """Bounds of `invoiceDate`, and the other filters."""
    if "updatedSince" in given:
        raise _unserved("updatedSince", "needs a sort by updatedAt")
    leading = next((name for name in _LOOKUPS if name in given), None)
    if leading not in _SELECTIVE:
        unserved = [name for name in given if name not in (leading, *_DATES)]
        if unserved:
            raise _unserved(
                unserved[0], "needs invoiceNumber or supplier beside it, or a sort by updatedAt with importId"
            )
    others = {"changedBy": paging.object_id(query["importId"], "importId")} if "importId" in given else {}
    return _date_range(query), others


def _by_day(conditions: Document) -> Document:
    """A range of dates as the days in it: not every server cuts a range on both sides in an index over an array.

    A range that is open, or too long for that, begins with a day and ends before one: SecantusDB's Python server loses
    what is equal to the last value of a range in the middle of an index.
    """
    bounds = conditions.get("invoiceDate")
    if not isinstance(bounds, dict):
        return conditions
    try:
        first = bounds["$gt"] + _DAY if "$gt" in bounds else bounds.get("$gte")
        behind = bounds["$lte"] + _DAY if "$lte" in bounds else bounds.get("$lt")
    except OverflowError:  # there is no day behind 9999-12-31
        return conditions
    if first and behind and (days := (behind - first).days) <= _MOST_DAYS:
        return {"invoiceDate": {"$in": [first + _DAY * day for day in range(days)]}}
    return {"invoiceDate": ({"$gte": first} if first else {}) | ({"$lt": behind} if behind else {})}


def _looked_up(query: Mapping[str, str], given: list[str]) -> list[Way]:
    """The filters that have an entry in `lookups`."""
    ways = []
    for name in [each for each in _LOOKUPS if each in given]:
        field, value = ("supplierKey", supplier_key(query[name])) if name == "supplier" else (name, query[name])
        ways.append(Way({"lookups": lookup(name, value)}, {field: value}))
    return ways


def _date_range(query: Mapping[str, str]) -> Document:
    """Bounds of `invoiceDate`: `dateFrom` and `dateTo` are both inclusive."""
    return {
        operator: datetime.combine(paging.date_parameter(query[name], name), time(), UTC)
        for name, operator in (("dateFrom", "$gte"), ("dateTo", "$lte"))
        if name in query
    }


def _unserved(field: str, why: str) -> Problem:
    return Problem(422, "query.unserved", f"{field} {why}: no index serves this combination", field=field)
