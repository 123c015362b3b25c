"""Every combination of filters and sort that the list of invoices serves, with values from real invoices."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, timedelta
from itertools import combinations

from mailroom.errors import Invalid
from mailroom.invoices.api.parameters import SORTS, invoice_filter
from mailroom.invoices.views.filters import INVOICE_FILTERS, plan_invoices
from mailroom.platform.mongo import Document

Query = dict[str, str]


def served(values: Mapping[str, str]) -> Iterator[Query]:
    """All queries that are not refused: any set of filters, with any sort or none."""
    for count in range(len(INVOICE_FILTERS) + 1):
        for names in combinations(INVOICE_FILTERS, count):
            for sort in (None, *SORTS):
                query = {name: values[name] for name in names} | ({"sort": sort} if sort else {})
                with suppress(Invalid):
                    plan_invoices(invoice_filter(query))
                    yield query


def values_of(invoice: Document) -> Query:
    """A value for each filter that matches this invoice. The date filters span two months."""
    day, changed = invoice["invoiceDate"], invoice["updatedAt"].astimezone(UTC)
    return {
        "supplier": invoice["supplierName"],
        "status": invoice["status"],
        "currency": invoice["currency"],
        "invoiceNumber": invoice["invoiceNumber"],
        "importId": str(invoice["changedBy"]),
        "dateFrom": f"{day - timedelta(days=30):%Y-%m-%d}",
        "dateTo": f"{day + timedelta(days=30):%Y-%m-%d}",
        "updatedSince": f"{changed - timedelta(seconds=5):%Y-%m-%dT%H:%M:%SZ}",
    }
