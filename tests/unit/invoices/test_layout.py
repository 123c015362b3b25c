"""Invoices shown from their bytes: as when they are decoded, and hardly any is decoded."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import bson
import pytest
from bson import Int64, ObjectId
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from hypothesis import strategies as st

from mailroom.invoices.api import schemas as shapes
from mailroom.invoices.files import Invoice
from mailroom.invoices.model.document import content_of
from mailroom.invoices.model.edits import edit
from mailroom.invoices.model.identity import order
from mailroom.invoices.model.merge import UPDATED, Row, merge
from mailroom.invoices.views import layout

NOW = datetime(2026, 11, 26, 10, 30, 0, 123000, tzinfo=UTC)
THIS, OTHER, KEY = ObjectId("a" * 24), ObjectId("b" * 24), ObjectId("c" * 24)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
AMOUNTS = st.decimals(-(10**13), 10**13, places=2)
OFFSETS = st.integers(0, 2**40)


def invoice(**fields: Any) -> Invoice:
    given_: dict[str, Any] = {
        "invoice_number": "R-1",
        "invoice_date": date(2026, 3, 1),
        "gross_amount": Decimal("1190.00"),
        "net_amount": Decimal("1000.00"),
        "vat_amount": Decimal("190.00"),
        "supplier_name": "Müller & Söhne",
        "supplier_address": "",
        "currency": "EUR",
        "status": "open",
        "extra": {},
    }
    return Invoice(**given_ | fields)


invoices = st.builds(
    invoice,
    invoice_number=TEXTS,
    invoice_date=st.dates(date(1900, 1, 1)),
    gross_amount=AMOUNTS,
    net_amount=AMOUNTS,
    vat_amount=AMOUNTS,
    supplier_name=TEXTS,
    supplier_address=TEXTS,
    currency=TEXTS,
    status=TEXTS,
    extra=st.dictionaries(TEXTS, TEXTS, max_size=3),
)


def imported(first: Invoice, offset: int = 0, import_id: ObjectId = THIS, stored: Any = None) -> dict[str, Any]:
    """As a file with that row writes it."""
    row = Row(offset, offset // 100 + 1, order(1000 + offset, "version", offset), content_of(first))
    document = merge(stored, [row], import_id, 0, NOW).document
    assert document is not None
    return document


def raw(document: dict[str, Any]) -> RawBSONDocument:
    return RawBSONDocument(bson.encode(document))


def decoded(document: RawBSONDocument) -> shapes.Invoice:
    return shapes.invoice(bson.decode(document.raw))


def assert_not_decoded(document: RawBSONDocument) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "invoice", None)
        layout.invoice(document)


@given(invoices, OFFSETS)
def test_what_was_imported(first: Invoice, offset: int):
    document = raw(imported(first, offset))
    assert layout.invoice(document) == decoded(document)
    assert_not_decoded(document)


@given(invoices, invoices, OFFSETS)
def test_what_was_changed_by_a_file_and_by_a_person(first: Invoice, second: Invoice, offset: int):
    stored = imported(first)
    again = Row(offset, 7, order(2**40, "version", offset), content_of(second) | {"_id": stored["_id"]})
    changed = merge(stored, [again], OTHER, 0, NOW).document
    assert changed is not None
    changed |= edit(changed, "paid", KEY, NOW)
    document = raw(changed)
    assert layout.invoice(document) == decoded(document)
    assert_not_decoded(document)
    assert layout.invoice(document).edited == shapes.Edit(key_id=str(KEY), at="2026-11-26T10:30:00.123Z")


@given(invoices, st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_places_of_any_size(first: Invoice, offset: int, row: int):
    stored = imported(first)
    document = raw(stored | {"source": stored["source"] | {"offset": Int64(offset), "row": Int64(row)}})
    assert layout.invoice(document) == decoded(document)
    assert_not_decoded(document)


def test_long_ones_as_the_driver_finds_them_in_a_reply():
    long = [imported(invoice(supplier_address="x" * 20_000, extra=extra)) for extra in ({}, {"Cost Centre": "47"})]
    reply = RawBSONDocument(bson.encode({"firstBatch": [*long, long[0] | {"further": 1}]}))
    documents = reply["firstBatch"]
    assert [type(each.raw) for each in documents] == [memoryview] * 3
    assert [layout.invoice(each) for each in documents] == [decoded(each) for each in documents]


def test_two_rows_of_one_batch_are_shown_too():
    first, second = (
        Row(at, at, order(1000, "version", at), content_of(invoice(status=status)))
        for at, status in ((0, "open"), (100, "paid"))
    )
    merged = merge(None, [first, second], THIS, 0, NOW)
    assert merged.outcomes[100] == UPDATED
    assert merged.document is not None
    assert "earlier" in merged.document["source"]
    document = raw(merged.document)
    assert layout.invoice(document) == decoded(document)
    assert layout.invoice(document).status == "paid"


@pytest.mark.parametrize("field", ["invoiceNumber", "supplierName", "supplierKey", "supplierAddress", "status"])
@pytest.mark.parametrize("text", ["\0", "a\0b", "x\0\x02currency\0\x04\0\0\0EUR", "x\0" * 40])
def test_a_zero_byte_that_another_program_wrote_moves_nothing(field: str, text: str):
    document = raw(imported(invoice()) | {field: text})
    assert layout.invoice(document) == decoded(document)


@given(st.permutations(list(imported(invoice()))), st.sampled_from(sorted(imported(invoice()))))
def test_fields_in_any_order_and_more_of_them(names: list[str], doubled: str):
    stored = imported(invoice())
    document = raw({name: stored[name] for name in names} | {"further": stored[doubled]})
    assert layout.invoice(document) == decoded(document)
