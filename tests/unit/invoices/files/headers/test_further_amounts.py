"""A column with an amount between net and gross is known by the words of its name: nothing is derived beside it."""

import pytest

from mailroom.invoices.files import FileRejected, Rejected, Rules, detect
from mailroom.invoices.files.dialect import EXTRA
from mailroom.invoices.files.headers.further_amounts import further_amounts, further_taxes
from mailroom.invoices.model.columns import ParsedInvoice
from tests.unit.invoices.files.values.test_derived import TEXTS, faults, file_of, only, read


@pytest.mark.parametrize(
    "name",
    [
        "Fee", "Fees (USD)", "Card Processing Fees", "Platform commission", "PaypalFee", "Shipping and Handling Amount",
        "DiscountAmount", "Gebühr", "Entgelt", "Versand- und Bearbeitungsgebühr", "Frais de service", "Commission",
        "Monto exento", "Imp. Op. Exentas", "Costo de envío", "Ritenuta d'acconto", "Commissioni", "Comissão",
        "Verzendkosten", "Prowizja", "Avgift", "Withholding Tax", "Total Discount",
    ],
)  # fmt: skip
def test_further_amounts_are_known_by_their_words(name):
    assert further_amounts([EXTRA + name]) == [0]


@pytest.mark.parametrize(
    "name",
    [
        "Shipping Zip", "Shipping Name", "Discount Code", "Fee type", "Delivery date", "Amount", "Balance", "Port",
        "Commission agent", "Service", "Order total", "Tax",
    ],
)  # fmt: skip
def test_other_columns_are_none(name):
    assert further_amounts([EXTRA + name]) == []


@pytest.mark.parametrize(
    ("name", "is_part"),
    [
        ("PST", True), ("Tax 2", True), ("Tax 2 Amount", True), ("MwSt 7 %", True), ("IVA 10%", True), ("SGST", True),
        ("State Tax", True), ("Tax2", True),
        ("Integrated Tax(₹)", True), ("State/UT Tax(₹)", True), ("TVA 5,5", True), ("Tax Amount", False),
        ("VAT number", False),
        ("Tax 1 Name", False), ("Tax Rate 2", False), ("VAT ID", False), ("Taxable 2", False), ("Item 2", False),
    ],
)  # fmt: skip
def test_taxes_beside_the_vat_are_known_by_their_words(name, is_part):
    assert further_taxes([EXTRA + name]) == ([0] if is_part else [])


@pytest.mark.parametrize("name", ["Fees", "Platform commission", "Gebühr", "Frais de service", "Exento"])
def test_a_fee_is_not_stored_as_vat(name):
    without_vat = {"grossAmount": "100.00", "netAmount": "89.50", name: "10.50"}
    with pytest.raises(FileRejected, match=name) as refused:
        read(file_of(without_vat))
    assert (refused.value.code, refused.value.column) == ("header.missing_column", "vatAmount")
    assert faults(file_of(without_vat | {"vatAmount": ""})) == [("vatAmount", "amount.derived")]
    assert only(file_of({"grossAmount": "50.00", "netAmount": "50.00", "vatAmount": "", name: "0.00"})).vat_amount == 0


def test_the_fees_of_a_list_of_payments_are_no_vat():
    data = (
        "Date,Time,Name,Type,Status,Currency,Gross,Fee,Net,Transaction ID,Sales Tax,Invoice Number\n"
        "2024-03-25,10:00,Hanna Vogel,Sale,Completed,EUR,100.00,-3.40,96.60,8AB,,R-1\n"
        "2024-03-26,10:00,Ole Berg,Sale,Completed,EUR,50.00,0.00,50.00,8AC,,R-2\n"
    )
    first, second = read(data, Rules(aliases={"Name": "supplierName"}))[1]
    assert isinstance(first, Rejected)
    assert [error.code for error in first.errors] == ["amount.derived"]
    assert isinstance(second, ParsedInvoice)
    assert second.vat_amount == 0


@pytest.mark.parametrize(
    ("vat", "taxes"),
    [
        ("GST", {"GST": "5.00", "PST": "7.00"}),
        ("MwSt", {"MwSt": "7.00", "MwSt 19": "19.00"}),
        ("CGST", {"CGST": "9.00", "SGST": "9.00", "IGST": "0.00"}),
        ("Tax 1 Amount", {"Tax 1 Amount": "6.00", "Tax 2 Amount": "2.00"}),
    ],
)
def test_net_is_not_derived_from_one_of_several_taxes(vat, taxes):
    row = {"grossAmount": "226.00"} | taxes
    assert faults(file_of(row), Rules(aliases={vat: "vatAmount"})) == [("netAmount", "amount.derived")]


def test_parts_that_add_up_to_the_vat_are_no_further_taxes():
    row = {"grossAmount": "226.00", "vatAmount": "26.00", "VAT 19 %": "19.00", "VAT 7 %": "7.00"}
    assert str(only(file_of(row)).net_amount) == "200.00"


def test_vat_is_what_gross_is_more_than_net_whatever_the_taxes_are():
    row = {"grossAmount": "118.00", "netAmount": "100.00", "CGST": "9.00", "SGST": "9.00"}
    assert str(only(file_of(row)).vat_amount) == "18.00"


def test_vat_is_not_derived_if_the_taxes_of_the_row_say_another_one():
    taxes = {"Integrated Tax(₹)": "0.00", "Central Tax(₹)": "90.00", "State/UT Tax(₹)": "90.00"}
    partly_exempt = {"grossAmount": "1680.00", "netAmount": "1000.00"} | taxes
    assert faults(file_of(partly_exempt)) == [("vatAmount", "amount.derived")]
    rounded = {"grossAmount": "1180.40", "netAmount": "1000.00"} | taxes
    assert str(only(file_of(rounded)).vat_amount) == "180.40"
    one_of_them = {"grossAmount": "112.00", "netAmount": "100.00", "PST": "7.00"}
    assert str(only(file_of(one_of_them)).vat_amount) == "12.00"


def test_all_three_amounts_are_taken_beside_further_ones():
    row = {"grossAmount": "124.00", "netAmount": "104.20", "vatAmount": "19.80", "Fees": "3.00", "Tax 2": "1.00"}
    assert only(file_of(row)).derived == ()


def test_a_preset_may_say_that_a_fee_makes_no_difference():
    row = {"grossAmount": "119.00", "netAmount": "100.00", "Fee": "3.00"}
    dialect = detect(file_of(row).encode(), Rules(aliases={"Fee": None}), complete=True)
    assert dialect.columns == (*TEXTS, "grossAmount", "netAmount", "")
