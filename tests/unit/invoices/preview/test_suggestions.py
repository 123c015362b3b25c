"""What the columns of a file may be: by similar names, and by what the values look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailroom.invoices.files import Rules
from mailroom.invoices.preview.examination import Examination, PreviewTask
from mailroom.invoices.preview.examine import examine


def look(text: str, **rules: Any) -> Examination:
    data = text.encode()
    return examine(PreviewTask(Rules(**rules), len(data), complete=True), data)


def found(examination: Examination) -> dict[str, tuple[str | None, str]]:
    return {each.name: (each.target, each.reason) for each in examination.mapping}


def test_similar_names_are_found_in_any_order_and_spelling() -> None:
    seen = look(
        "InvoiceNumbr,Date of the invoice,Totl gross,Supplier name (legal),Invoice currency code\n"
        "A1,2024-01-31,119.00,Acme,EUR\n"
    )

    assert found(seen) == {
        "InvoiceNumbr": ("invoiceNumber", "similar"),
        "Date of the invoice": ("invoiceDate", "similar"),
        "Totl gross": ("grossAmount", "similar"),
        "Supplier name (legal)": ("supplierName", "similar"),
        "Invoice currency code": ("currency", "name"),
    }
    assert [each.column for each in seen.missing] == ["netAmount", "vatAmount"]
    assert "vatRate" in seen.missing[0].advice


def test_gross_is_the_sum_of_net_and_vat_whatever_the_order() -> None:
    seen = look("a;b;c;d\n19,00;x;119,00;100,00\n1.900,00;y;11.900,00;10.000,00\n")

    assert found(seen) == {
        "a": ("vatAmount", "values"),
        "b": (None, "none"),
        "c": ("grossAmount", "values"),
        "d": ("netAmount", "values"),
    }


def test_values_speak_against_a_similar_name() -> None:
    seen = look("Invoice no,Issue dates,Total gros,Net,x\n1,paid,2024-01-31,100.00,EUR\n2,open,2024-02-01,90.00,EUR\n")

    targets = found(seen)
    assert targets["Issue dates"][0] != "invoiceDate"
    assert targets["Total gros"] == ("invoiceDate", "values")
    assert targets["x"] == ("currency", "values")


def test_a_name_that_may_be_any_amount_is_not_suggested_as_the_vat() -> None:
    seen = look("Transaction number,Date,Supplier,Amount\n1001,31-Jan-15,Acme,100.00\n")

    assert found(seen)["Amount"] == (None, "none")


def test_a_known_column_is_not_suggested_again() -> None:
    seen = look("Invoice No,Invoice Num.,Date,Datum2\n1,1,2024-01-31,2024-01-31\n")

    assert found(seen)["Date"] == ("invoiceDate", "name")
    assert [each.target for each in seen.mapping].count("invoiceDate") == 1
    assert [each.target for each in seen.mapping].count("invoiceNumber") == 1


def test_a_rule_is_certain_and_may_drop_a_column() -> None:
    seen = look("Ref,Invoice No,Date\n1,2,2024-01-31\n", aliases={"ref": "invoiceNumber", "Invoice no.": None})

    assert [(each.target, each.confidence, each.reason) for each in seen.mapping] == [
        ("invoiceNumber", 1.0, "preset"),
        (None, 1.0, "preset"),
        ("invoiceDate", 1.0, "name"),
    ]


def test_constants_and_currencies_in_names_are_not_missing() -> None:
    seen = look("Ref,Date,Gross (EUR),Net (EUR)\nx,2024-01-31,119.00,100.00\n", constants={"supplierName": "Acme"})

    assert found(seen)["Gross (EUR)"] == ("grossAmount", "name")
    assert [each.column for each in seen.missing] == ["invoiceNumber"]


def test_without_a_header_the_order_counts() -> None:
    seen = look("1,2024-01-31,119.00,100.00,19.00,Acme,,EUR,open\n")

    assert seen.header is None
    assert {each.reason for each in seen.mapping} == {"order"}


@pytest.mark.parametrize("text", ["a,b\n", "1,2\n3,4\n", "a;b\n\n\n", ",,\n", "\u0000,\u0001\n", '"\n', "=1+1,@x\n"])
def test_nothing_breaks_it(text: str) -> None:
    seen = look(text)
    assert seen.error is not None
    assert all(0 <= each.confidence <= 1 for each in seen.mapping)


def test_lines_are_added_up_and_totals_set_apart_as_in_an_import() -> None:
    header = "Invoice No,Date,Supplier,Currency,Net,VAT rate,Description\n"
    line = "1,2024-01-31,Acme,EUR,{},19,{}\n"
    seen = look(
        header + line.format("100.00", "Pens") + line.format("200.00", "Ink") + "Total,,,,300.00,,\n",
        line_items="addUp",
    )

    assert seen.error is None
    invoice, total = seen.rows
    assert invoice.invoice is not None
    assert (invoice.invoice.gross_amount, len(invoice.invoice.lines)) == ("357.00", 2)
    assert (total.set_apart, total.invoice, total.errors) == (True, None, [])
    assert (seen.estimated.rows, seen.estimated.rejected) == (1, 0)


SAMPLES = Path(__file__).parents[3] / "samples" / "programs"


def test_the_file_of_a_known_program_is_shown_as_an_import_reads_it() -> None:
    seen = look((SAMPLES / "xero.csv").read_text())

    assert seen.error is None
    assert seen.dialect is not None
    assert seen.dialect["program"] == "xero"
    assert found(seen)["TaxTotal"] == ("vatAmount", "preset")
    assert found(seen)["UnitAmount"] == (None, "none")  # looks like a net amount
    invoices = [row.invoice for row in seen.rows if row.invoice]
    assert [(each.gross_amount, len(each.lines)) for each in invoices] == [("368.90", 3), ("24.00", 1), ("-12.00", 1)]


def test_what_a_known_program_leaves_open_is_named_and_not_suggested() -> None:
    seen = look((SAMPLES / "datev.csv").read_text("cp1252"))

    assert seen.error is not None
    assert '{"Buchungstext": "supplierName"}' in seen.error.message
    assert seen.header is not None
    assert seen.header.line == 2
    assert found(seen)["Belegfeld 1"] == ("invoiceNumber", "preset")
    assert found(seen)["Buchungstext"] == (None, "none")
    assert [each.column for each in seen.missing] == ["netAmount", "vatAmount", "supplierName"]
