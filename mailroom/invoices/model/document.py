"""A parsed invoice as the document that MongoDB keeps."""

from __future__ import annotations

from datetime import UTC, datetime, time

from bson import Decimal128

from mailroom.invoices.model.columns import LOOKUPS, ParsedInvoice, ParsedLine
from mailroom.invoices.model.identity import invoice_id, supplier_key
from mailroom.platform.mongo import Document


def content_of(invoice: ParsedInvoice) -> Document:
    """The fields that come from the file, with the identity they give as `_id`."""
    supplier = supplier_key(invoice.supplier_name)
    looked_up = (invoice.invoice_number, supplier, invoice.status, invoice.currency)
    document: Document = {
        "_id": invoice_id(supplier, invoice.invoice_number, invoice.invoice_date.year),
        "invoiceNumber": invoice.invoice_number,
        "invoiceDate": datetime.combine(invoice.invoice_date, time(), UTC),
        "grossAmount": Decimal128(invoice.gross_amount),
        "netAmount": Decimal128(invoice.net_amount),
        "vatAmount": Decimal128(invoice.vat_amount),
        "supplierName": invoice.supplier_name,
        "supplierKey": supplier,
        "supplierAddress": invoice.supplier_address,
        "currency": invoice.currency,
        "status": invoice.status,
        "lookups": [lookup(name, value) for name, value in zip(LOOKUPS, looked_up, strict=True)],
    }
    if invoice.extra:
        document["extra"] = invoice.extra
    if invoice.derived:
        document["derived"] = list(invoice.derived)
    if invoice.lines:
        document["lines"] = [_line(each) for each in invoice.lines]
    return document


def _line(line: ParsedLine) -> Document:
    net = {"net": Decimal128(line.net)} if line.net is not None else {}
    return {"number": line.number, "text": line.text, "quantity": line.quantity, **net, "rate": line.rate}


def lookup(filter_: str, value: str) -> str:
    """The entry of `lookups` for a filter of the list. One index over `lookups` serves them all, ordered by date."""
    return f"{filter_}:{value}"
