"""Measures this process's processor time for pages and exports, beside the driver's `find` encoded by msgspec, without
HTTP."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import msgspec
import pymongo
from bson import Decimal128

from mailroom.invoices.api import schemas
from mailroom.invoices.api.export_formats import to_ndjson
from mailroom.invoices.model.decimals import plain_text
from mailroom.invoices.views.filters import InvoiceFilter
from mailroom.invoices.views.lists import Queries
from mailroom.platform.clock import Budget
from mailroom.platform.mongo import Document, Documents

PAGE, ROUNDS = 100, 200
ALL = InvoiceFilter()


def compare(queries: Queries) -> str:
    """Measures ours and the driver's by turns. Returns the medians."""
    invoices = queries.invoices
    assert pymongo.has_c()
    lines = [
        _line(f"a page of {PAGE}", lambda: _page(queries), lambda: _found(invoices, PAGE + 1), ROUNDS),
        _line("an export as ndjson", lambda: _export(queries), lambda: _found(invoices, 0), ROUNDS // 10),
    ]
    return "\n".join(lines)


def _page(queries: Queries) -> bytes:
    page = queries.list_invoices(ALL, PAGE)
    items = [schemas.invoice(document) for document in page.items]
    return msgspec.json.encode(schemas.InvoicePage(items=items, next_cursor=None))


def _export(queries: Queries) -> int:
    return sum(len(line) for line in to_ndjson(queries.export(ALL, Budget(600)), first=True))


def _found(invoices: Documents, limit: int) -> bytes:
    found: list[Document] = list(invoices.find(limit=limit, batch_size=1000).sort(ALL.order.sort()).hint("invoiceDate"))
    return msgspec.json.encode(found, enc_hook=_text)


def _text(value: Any) -> str:
    return plain_text(value) if isinstance(value, Decimal128) else str(value)


def _line(name: str, ours: Callable[[], object], drivers: Callable[[], object], rounds: int) -> str:
    taken = [(_milliseconds(ours), _milliseconds(drivers)) for _ in range(rounds)]
    mine, theirs = (median(column) for column in zip(*taken, strict=True))
    ratio = median(one / other for one, other in taken)
    return f"{name}: {mine:.2f} ms of processor time, the driver's find {theirs:.2f} ms, ratio {ratio:.2f}"


def _milliseconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return (time.process_time() - begin) * 1e3
