"""Lists of invoices and imports: which filters and sorts there are, and which index serves them."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from typing import Any

import msgspec
from bson import CodecOptions, ObjectId
from bson.raw_bson import RawBSONDocument
from msgspec.structs import replace
from pymongo.collection import Collection
from pymongo.cursor import Cursor
from pymongo.database import Database

from mailroom.invoices.files.dates import FIRST_YEAR, LAST_YEAR
from mailroom.invoices.imports.ledger import STATES
from mailroom.invoices.model.document import lookup
from mailroom.invoices.model.identity import invoice_id, supplier_key
from mailroom.invoices.views.export import Piece
from mailroom.invoices.views.learnt import Learnt
from mailroom.invoices.views.outline import Outline, Outlines
from mailroom.invoices.views.totals import TotalPage, totals
from mailroom.platform.clock import Budget
from mailroom.platform.concurrency import ConcurrencyLimit
from mailroom.platform.mongo import Document, Documents
from mailroom.platform.windows import Course, Stop, read
from mailroom.web import paging
from mailroom.web.problems import Problem

SORTS = ("invoiceDate", "-invoiceDate", "updatedAt", "-updatedAt")

_LOOKUPS = ("invoiceNumber", "supplier", "status", "currency")
_DATES = ("dateFrom", "dateTo")
_CHANGES = ("importId", "updatedSince")
INVOICE_FILTERS = (*_LOOKUPS, *_DATES, *_CHANGES)
IMPORT_FILTERS = ("bucket", "key", "versionId", "state")

# Of an import that is running: the ids of what its workers are writing.
_WITHOUT_IDS = {"partIds": 0}

# Those of _LOOKUPS that may stand together. A page is read as an index has it, and hardly anything is left out one by
# one: how long it takes depends neither on how many invoices there are nor on what two filters have in common.
_NUMBER_OF_SUPPLIER, _STATUS_OF_SUPPLIER = ("invoiceNumber", "supplier"), ("supplier", "status")

# Invoices of lists are not decoded.
_RAW = CodecOptions(document_class=RawBSONDocument, tz_aware=True, tzinfo=UTC)

# An export asks MongoDB for so many at once: few enough to be small in memory.
EXPORT_BATCH = 1000

# About so many are read by one command that sums: it takes half a second.
READ_AT_ONCE = 50_000

# A range of more days is not spelled out: each takes the server as long as an invoice that it reads in vain.
_MOST_DAYS = 400
_DAY = timedelta(days=1)

# Nothing was changed later than this.
_NEVER = datetime(9999, 12, 31, tzinfo=UTC)

# An entry of `lookups` that this part of all invoices has is common.
_COMMON = 1 / 4

# That an import's invoices lie together counts as much as so many that were found: others may have run beside it.
_OF_ONE_IMPORT = 50.0

# That those with an entry lie evenly among all counts no more than so many: open invoices are mostly new ones.
_OF_ONE_ENTRY = 20.0


class Selection(msgspec.Struct, frozen=True):
    """Which invoices, and in which order: those within `bounds` of the order's field that meet all conditions.

    An index has those that are meant `through` one behind the other; of these, nearly all meet what is `checked`.
    `meant` is the same as `through` where it is not read through that index, `entries` what the outline counts it by.
    """

    sort: str
    descending: bool
    bounds: Document = msgspec.field(default_factory=dict)
    through: Document = msgspec.field(default_factory=dict)
    checked: Document = msgspec.field(default_factory=dict)
    meant: Document = msgspec.field(default_factory=dict)
    entries: tuple[str, ...] = ()

    def filter(self, ranges: Sequence[Document]) -> Document:
        """With the conditions of any of these on the field of the order. There is at least one.

        Each names all that its index is wanted for, and what no index is wanted for stands apart: not every server
        finds the index for a part of what stands together.
        """
        if self.through:
            ranges = [_by_day(conditions, spelled_out="lookups" in self.through) for conditions in ranges]
        each = [self.through | conditions for conditions in ranges]
        apart = {"$and": [{"$or": [self.checked]}]} if self.checked else {}
        return ({"$or": each} if len(each) > 1 else each[0]) | apart

    def everything(self) -> Document:
        """The filter for all of it at once."""
        return self.filter([{self.sort: self.bounds} if self.bounds else {}])

    def is_behind(self, document: Mapping[str, Any], after: tuple[datetime, ObjectId]) -> bool:
        """Whether it comes later in this order."""
        place = document[self.sort], document["_id"]
        return place < after if self.descending else place > after


class Queries(msgspec.Struct, frozen=True):
    """Reads `invoices` and `imports` for the API. Every list is served by an index, or refused with 422."""

    invoices: Documents
    imports: Documents
    outlines: Outlines
    learnt: Learnt = msgspec.field(default_factory=Learnt)

    @classmethod
    def of(cls, database: Database[Document]) -> Queries:
        return cls(database["invoices"], database["imports"], Outlines(database["invoices"]))

    def select(self, query: Mapping[str, str]) -> Selection:
        """What `query` asks for. Raises `Problem` 422 for a filter or a combination that is not served."""
        given = tuple(name for name in INVOICE_FILTERS if name in query)
        sort = query.get("sort", "updatedAt" if set(given) & set(_CHANGES) else "-invoiceDate")
        if sort not in SORTS:
            raise Problem(422, "sort.invalid", f"sort must be one of {', '.join(SORTS)}", field="sort")
        chosen = Selection(sort.lstrip("-"), sort.startswith("-"))
        return self._by_change(query, given, chosen) if chosen.sort == "updatedAt" else _by_date(query, given, chosen)

    def list_invoices(self, query: Mapping[str, str]) -> paging.Page[RawBSONDocument]:
        """A page of invoices."""
        chosen, limit = self.select(query), paging.limit_of(query)
        after = paging.behind(query, chosen.sort)
        return paging.page_of(self._read(chosen, after, limit + 1), limit, chosen.sort)

    def all_invoices(self, query: Mapping[str, str], budget: Budget) -> Piece:
        """The invoices of a filter, as they are read. The first are asked for now, so that an error comes now."""
        chosen = self.select(query)
        after = paging.behind(query, chosen.sort)
        read_on = self._read(chosen, after, EXPORT_BATCH, all_=True)
        first = list(islice(read_on, 1))

        def documents() -> Generator[RawBSONDocument]:
            with closing(read_on):
                while first:
                    yield first.pop()
                yield from read_on

        return Piece(documents(), budget, lambda last: paging.cursor_behind(chosen.sort, last), EXPORT_BATCH)

    def totals(self, query: Mapping[str, str], budget: Budget, concurrency: ConcurrencyLimit) -> TotalPage:
        """Sums of the invoices of a filter."""
        return totals(self.invoices, self._parts(self.select(query)), query, budget, concurrency)

    def invoice(self, id_: ObjectId) -> Document | None:
        return self.invoices.find_one({"_id": id_})

    def list_imports(self, query: Mapping[str, str]) -> paging.Page[Document]:
        """A page of imports, newest first."""
        if query.get("state", STATES[0]) not in STATES:
            raise Problem(422, "state.unknown", f"state must be one of {', '.join(STATES)}", field="state")
        if "versionId" in query and "key" not in query:
            raise _unserved("versionId", "needs key beside it")
        filters: Document = {name: query[name] for name in IMPORT_FILTERS if name in query}
        return paging.page(self.imports, filters, "createdAt", True, query, _WITHOUT_IDS)

    def import_(self, id_: ObjectId) -> Document | None:
        return self.imports.find_one({"_id": id_}, _WITHOUT_IDS)

    def _read(
        self, chosen: Selection, after: tuple[datetime, ObjectId] | None, wanted: int, *, all_: bool = False
    ) -> Generator[RawBSONDocument]:
        if "_id" in chosen.through:
            yield from self._read_few(chosen, after)
            return
        outline, invoices = self.outlines.newest(), self._raw()
        chosen = _planned(chosen, outline)
        course = _course(chosen, outline, outline.along(chosen.sort, chosen.entries), after)
        share, trust = self._estimate(chosen, outline)

        def ordered(ranges: list[Document]) -> Cursor[RawBSONDocument]:
            found = invoices.find(chosen.filter(ranges), batch_size=EXPORT_BATCH if all_ else 0)
            return found.sort(paging.order(chosen.sort, chosen.descending))

        found = read(ordered, course, outline.each * share, wanted, trust=trust, all_=all_)
        if chosen.entries and not all_:
            page = list(found)
            self.learnt.learn(outline, chosen.entries, page)
            yield from page
        else:
            yield from found

    def _estimate(self, chosen: Selection, outline: Outline) -> tuple[float, float]:
        """What part of the invoices on its way it is, and how far that is to be trusted."""
        if not chosen.entries:
            return 1.0, _OF_ONE_IMPORT if chosen.checked else max(outline.size, 1)
        share, found = self.learnt.estimate(outline, chosen.entries)
        return share, min(found, _OF_ONE_ENTRY)

    def _parts(self, chosen: Selection) -> Iterator[Document]:
        """Filters that no two invoices meet both, and all of the selection meet one."""
        if "_id" in chosen.through:
            yield chosen.everything()
            return
        outline = self.outlines.newest(old_will_do=False)  # how much one command reads depends on it alone
        chosen = _planned(chosen, outline)
        entries = chosen.entries if chosen.through else ()  # what is left out one by one is read, too
        course = _course(chosen, outline, outline.along(chosen.sort, entries), None)
        share = outline.share(entries) if entries else 1.0
        while not course.done:
            window = course.take(READ_AT_ONCE / (outline.each * share))
            yield chosen.filter([range_.conditions for range_ in window])

    def _read_few(self, chosen: Selection, after: tuple[datetime, ObjectId] | None) -> Generator[RawBSONDocument]:
        with self._raw().find(chosen.everything()).sort(paging.order(chosen.sort, chosen.descending)) as found:
            for document in found:
                if after is None or chosen.is_behind(document, after):
                    yield document

    def _raw(self) -> Collection[RawBSONDocument]:
        return self.invoices.with_options(_RAW)

    def _by_change(self, query: Mapping[str, str], given: tuple[str, ...], chosen: Selection) -> Selection:
        """What changed since a time, or what one import changed."""
        if others := [name for name in given if name not in _CHANGES]:
            raise _unserved(others[0], "cannot be combined with importId, updatedSince or a sort by updatedAt")
        bounds: Document = {}
        changed_by: Document = {}
        if "importId" in given:
            changed_by = {"changedBy": paging.object_id(query["importId"], "importId")}
            bounds = self._duration(changed_by["changedBy"])
        if "updatedSince" in given:
            since = paging.time_parameter(query["updatedSince"], "updatedSince")
            bounds["$gte"] = max(since, bounds.get("$gte", since))
        return replace(chosen, bounds=bounds, checked=changed_by)

    def _duration(self, import_id: ObjectId) -> Document:
        """All that an import changed lies between its start and its end, or what a cancelled one may have in flight."""
        found = self.imports.find_one({"_id": import_id}, {"startedAt": 1, "finishedAt": 1, "quietAt": 1}) or {}
        if "startedAt" not in found:
            return {"$gte": _NEVER}
        ends = [found[name] for name in ("finishedAt", "quietAt") if name in found]
        return {"$gte": found["startedAt"]} | ({"$lte": max(ends)} if ends else {})


def _planned(chosen: Selection, outline: Outline) -> Selection:
    """As it is to be read: what is common in the order of the date alone, and the others are left out one by one.

    Within one day, not every server cuts `lookups` on both sides.
    """
    if "lookups" in chosen.through and outline.share(chosen.entries) >= _COMMON:
        return replace(chosen, through={}, checked=chosen.meant)
    return chosen


def _course(
    chosen: Selection, outline: Outline, stops: Sequence[Stop], after: tuple[datetime, ObjectId] | None
) -> Course:
    return Course(
        chosen.sort,
        descending=chosen.descending,
        bounds=chosen.bounds,
        step=_DAY if chosen.sort == "invoiceDate" else paging.MILLISECOND,
        stops=stops,
        after=after,
        at_once=math.inf if outline.reads_any_of else 1,
    )


def _by_date(query: Mapping[str, str], given: tuple[str, ...], chosen: Selection) -> Selection:
    """What has a number, a supplier, a status or a currency."""
    if changes := [name for name in given if name in _CHANGES]:
        raise _unserved(changes[0], "cannot be combined with a sort by invoiceDate")
    names = tuple(name for name in given if name in _LOOKUPS)
    if len(names) > 1 and names not in (_NUMBER_OF_SUPPLIER, _STATUS_OF_SUPPLIER):
        raise _unserved(names[-1], f"cannot be combined with {' and '.join(names[:-1])}")
    chosen = replace(chosen, bounds=_date_range(query))
    values = {name: supplier_key(query[name]) if name == "supplier" else query[name] for name in names}
    meant: Document = {"supplierKey" if name == "supplier" else name: value for name, value in values.items()}
    entries = tuple(lookup(name, value) for name, value in values.items())
    if names == _NUMBER_OF_SUPPLIER:
        number = query["invoiceNumber"]
        through = _ids(values["supplier"], number, chosen.bounds)
        return replace(chosen, through=through, checked={"invoiceNumber": number})
    if names == _STATUS_OF_SUPPLIER:
        return replace(chosen, through=meant, entries=entries)
    return replace(chosen, through={"lookups": entries[0]}, meant=meant, entries=entries) if names else chosen


def _ids(supplier: str, number: str, bounds: Document) -> Document:
    """Of one number of one supplier there is one invoice a year, and that gives its `_id`: also in another spelling."""
    first = max(FIRST_YEAR, bounds["$gte"].year) if "$gte" in bounds else FIRST_YEAR
    last = min(LAST_YEAR, bounds["$lte"].year) if "$lte" in bounds else LAST_YEAR
    return {"_id": {"$in": [invoice_id(supplier, number, year) for year in range(first, last + 1)]}}


def _by_day(conditions: Document, *, spelled_out: bool) -> Document:
    """A range of dates as the days in it: not every server cuts a range on both sides in an index over an array.

    One that is not spelled out ends a little behind its last day: SecantusDB's Python server loses what is equal to the
    last value of a range in the middle of an index.
    """
    bounds = conditions.get("invoiceDate")
    if not isinstance(bounds, dict):
        return conditions
    first, last = bounds.get("$gte"), bounds.get("$lte")
    if spelled_out and first and last and (days := (last - first).days + 1) <= _MOST_DAYS:
        return {"invoiceDate": {"$in": [first + _DAY * day for day in range(days)]}}
    behind = {"$lte": last + paging.MILLISECOND} if last else {}
    return {"invoiceDate": ({"$gte": first} if first else {}) | behind}


def _date_range(query: Mapping[str, str]) -> Document:
    """Bounds of `invoiceDate`: `dateFrom` and `dateTo` are both inclusive."""
    return {
        operator: datetime.combine(paging.date_parameter(query[name], name), time(), UTC)
        for name, operator in (("dateFrom", "$gte"), ("dateTo", "$lte"))
        if name in query
    }


def _unserved(field: str, why: str) -> Problem:
    instead = "leave it out and choose among the invoices that come, or see /totals with by"
    return Problem(422, "query.unserved", f"{field} {why}, for no index serves that: {instead}", field=field)
