"""Each served combination of filters has an index and bounds. All others are refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import combinations
from typing import Any

import pytest
from bson import ObjectId
from msgspec.structs import replace

from mailroom.errors import Invalid
from mailroom.invoices.api.parameters import SORTS
from mailroom.invoices.indexes import INDEXES
from mailroom.invoices.model.identity import invoice_id
from mailroom.invoices.views.filters import (
    INVOICE_FILTERS,
    ImportFilter,
    InvoiceFilter,
    changed_by_import,
    plan_imports,
    plan_invoices,
)
from mailroom.platform.keyset import Order, Range

IMPORT = ObjectId("a" * 24)
SINCE = datetime(2024, 3, 1, 12, tzinfo=UTC)
EARLIER, LATER, LATEST = (datetime(2024, 3, day, tzinfo=UTC) for day in (1, 2, 3))

VALUES: dict[str, Any] = {
    "invoiceNumber": "R-1",
    "supplier": "ACME  GmbH",
    "status": "open",
    "currency": "EUR",
    "dateFrom": date(2024, 1, 1),
    "dateTo": date(2025, 12, 31),
    "importId": IMPORT,
    "updatedSince": SINCE,
}
IDS = {"$in": [invoice_id("acme gmbh", "R-1", year) for year in (2024, 2025)]}
ALL_IDS = {"$in": [invoice_id("acme gmbh", "R-1", year) for year in range(1900, 2201)]}

# Filters beside the dates; their index; conditions that the index has in front of the order; conditions that are
# checked for each document.
BY_DATE: list[tuple[tuple[str, ...], str, dict[str, Any], dict[str, Any]]] = [
    ((), "invoiceDate", {}, {}),
    (("invoiceNumber",), "lookups", {"lookups": "invoiceNumber:R-1"}, {}),
    (("supplier",), "lookups", {"lookups": "supplier:acme gmbh"}, {}),
    (("status",), "lookups", {"lookups": "status:open"}, {}),
    (("currency",), "lookups", {"lookups": "currency:EUR"}, {}),
    (("supplier", "status"), "supplierStatus", {"supplierKey": "acme gmbh", "status": "open"}, {}),
    (("invoiceNumber", "supplier"), "_id_", {"_id": IDS}, {"invoiceNumber": "R-1"}),
]
DATES: dict[tuple[str, ...], dict[str, Any]] = {
    (): {},
    ("dateFrom",): {"$gte": datetime(2024, 1, 1, tzinfo=UTC)},
    ("dateTo",): {"$lte": datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)},
    ("dateFrom", "dateTo"): {
        "$gte": datetime(2024, 1, 1, tzinfo=UTC),
        "$lte": datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    },
}
BY_CHANGE: list[tuple[tuple[str, ...], str, dict[str, Any], dict[str, Any]]] = [
    ((), "updatedAt", {}, {}),
    (("importId",), "updatedAt", {}, {"changedBy": IMPORT}),
    (("updatedSince",), "updatedAt", {"$gte": SINCE}, {}),
    (("importId", "updatedSince"), "updatedAt", {"$gte": SINCE}, {"changedBy": IMPORT}),
]
# MongoDB finds these by their equality; the others are named.
NOT_NAMED = ("lookups", "supplierStatus", "_id_")

Case = tuple[tuple[str, ...], str, str, Range]


def cases() -> Iterator[Case]:
    """Every served combination: filters, sort, index and bounds."""
    for names, index, equalities, checked in BY_DATE:
        hint = None if index in NOT_NAMED else index
        for dates, bounds in DATES.items():
            for sort in ("", "invoiceDate", "-invoiceDate"):
                order = Order("invoiceDate", descending=sort != "invoiceDate")
                yield tuple(sorted(names + dates)), sort, index, Range(order, equalities | checked, bounds, hint)
    for names, index, bounds, checked in BY_CHANGE:
        for sort in ("", "updatedAt", "-updatedAt") if names else ("updatedAt", "-updatedAt"):
            order = Order("updatedAt", descending=sort == "-updatedAt")
            yield tuple(sorted(names)), sort, index, Range(order, checked, bounds, index)


CASES = list(cases())


def wanted(names: tuple[str, ...], sort: str) -> InvoiceFilter:
    fields = dict(zip(INVOICE_FILTERS, InvoiceFilter.__struct_fields__, strict=False))
    values = {fields[name]: VALUES[name] for name in names}
    return InvoiceFilter(**values, sort=SORTS[sort] if sort else None)


@pytest.mark.parametrize(("names", "sort", "index", "listed"), CASES, ids=lambda value: str(value)[:60])
def test_each_served_combination_has_its_index_and_bounds(
    names: tuple[str, ...], sort: str, index: str, listed: Range
) -> None:
    planned = plan_invoices(wanted(names, sort))
    if index == "_id_" and not {"dateFrom", "dateTo"} <= set(names):  # then more years are possible
        assert set(IDS["$in"]) < set(planned.filters["_id"]["$in"])
        planned = replace(planned, filters=planned.filters | {"_id": IDS})
    assert planned == listed


def test_a_number_of_a_supplier_has_an_id_for_each_year() -> None:
    planned = plan_invoices(wanted(("invoiceNumber", "supplier"), ""))
    assert planned.filters == {"_id": ALL_IDS, "invoiceNumber": "R-1"}


@pytest.mark.parametrize("case", [*BY_DATE, *BY_CHANGE], ids=lambda case: str(case[0]))
def test_the_index_has_the_equalities_in_front_of_the_order(case: tuple[Any, ...]) -> None:
    names, index, _, checked = case
    listed = next(listed for given, _, used, listed in CASES if given == tuple(sorted(names)) and used == index)
    if index == "_id_":  # these are few, and sorted
        return
    keys = {model.document["name"]: list(model.document["key"]) for model in INDEXES["invoices"]}
    assert keys[index] == [*(name for name in listed.filters if name not in checked), listed.order.field, "_id"]


def test_every_other_combination_is_refused() -> None:
    served = {(names, sort) for names, sort, _, _ in CASES}
    refused = 0
    for count in range(len(INVOICE_FILTERS) + 1):
        for names in combinations(INVOICE_FILTERS, count):
            for sort in ("", *SORTS):
                if (tuple(sorted(names)), sort) in served:
                    continue
                with pytest.raises(Invalid) as caught:
                    plan_invoices(wanted(names, sort))
                assert caught.value.code == "query.unserved"
                assert caught.value.field in names
                refused += 1
    assert (len(served), refused) == (95, 256 * 5 - 95)


@pytest.mark.parametrize(
    ("job", "bounds"),
    [
        ({"startedAt": EARLIER}, {"$gte": EARLIER}),
        ({"startedAt": EARLIER, "finishedAt": LATER}, {"$gte": EARLIER, "$lte": LATER}),
        ({"startedAt": EARLIER, "finishedAt": LATER, "quietAt": LATEST}, {"$gte": EARLIER, "$lte": LATEST}),
        ({}, {"$gte": datetime(9999, 12, 31, tzinfo=UTC)}),
        (None, {"$gte": datetime(9999, 12, 31, tzinfo=UTC)}),
    ],
)
def test_an_import_is_looked_for_from_its_start_to_its_end(job: dict[str, Any] | None, bounds: dict[str, Any]) -> None:
    listed = plan_invoices(wanted(("importId",), ""))
    assert changed_by_import(listed, job) == replace(listed, bounds=bounds)


def test_of_two_lower_bounds_the_later_one_counts() -> None:
    listed = plan_invoices(wanted(("importId", "updatedSince"), ""))
    for started, begins in ((EARLIER, SINCE), (LATER, LATER)):
        assert changed_by_import(listed, {"startedAt": started}).bounds == {"$gte": begins}


@pytest.mark.parametrize(
    ("asked", "filters", "hint"),
    [
        (ImportFilter(), {}, "createdAt"),
        (ImportFilter(bucket="b"), {"bucket": "b"}, "createdAt"),
        (ImportFilter(key="k"), {"key": "k"}, None),
        (ImportFilter(key="k", version_id="v"), {"key": "k", "versionId": "v"}, None),
        (ImportFilter(state="done"), {"state": "done"}, None),
        (ImportFilter(rejected=True), {"checkpoint.counts.rejected": {"$gt": 0}}, "rejected"),
        (ImportFilter(bucket="b", key="k", state="done"), {"bucket": "b", "key": "k", "state": "done"}, None),
    ],
)
def test_each_served_list_of_imports_has_its_index(
    asked: ImportFilter, filters: dict[str, Any], hint: str | None
) -> None:
    assert plan_imports(asked) == Range(Order("createdAt", descending=True), filters, hint=hint)
    keys = [list(model.document["key"]) for model in INDEXES["imports"]]
    leading = [name for name in ("key", "state") if name in filters][:1]
    assert [*leading, "createdAt", "_id"] in keys


@pytest.mark.parametrize(
    ("asked", "field", "code"),
    [
        (ImportFilter(state="lost"), "state", "state.unknown"),
        (ImportFilter(version_id="v"), "versionId", "query.unserved"),
        (ImportFilter(rejected=True, state="done"), "rejected", "query.unserved"),
        (ImportFilter(rejected=True, key="k"), "rejected", "query.unserved"),
    ],
)
def test_other_lists_of_imports_are_refused(asked: ImportFilter, field: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        plan_imports(asked)
    assert (caught.value.field, caught.value.code) == (field, code)


def test_invoices_have_at_most_five_indexes() -> None:
    assert len(INDEXES["invoices"]) <= 4  # and that of _id
