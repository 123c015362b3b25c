"""The nine columns have the same names and order wherever they are fields."""

from datetime import date
from decimal import Decimal

from mailroom.invoices.model.columns import AMOUNTS, COLUMNS, LOOKUPS, REQUIRED, ParsedInvoice
from mailroom.invoices.model.document import content_of

INVOICE = ParsedInvoice(
    "N1", date(2024, 1, 31), Decimal("119.00"), Decimal("100.00"), Decimal("19.00"), "Acme", "Weg 1", "EUR", "open", {}
)


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def test_a_parsed_invoice_has_the_columns_as_fields():
    assert (*COLUMNS, "extra", "derived", "lines") == tuple(map(camel, ParsedInvoice.__struct_fields__))


def test_a_stored_invoice_has_the_columns_in_order():
    content = content_of(INVOICE)
    assert tuple(name for name in content if name in COLUMNS) == COLUMNS
    assert [entry.partition(":")[0] for entry in content["lookups"]] == list(LOOKUPS)


def test_amounts_and_required_columns_are_among_the_columns():
    assert AMOUNTS == ("grossAmount", "netAmount", "vatAmount")
    assert set(COLUMNS) - set(REQUIRED) == {"supplierAddress", "status"}
