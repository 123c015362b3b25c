"""Currencies by code, sign or name, in their own column or in the names of the amounts."""

import pytest

from mailroom.invoices.files import FileRejected, Rejected, Rules
from mailroom.invoices.files.headers.header_currency import split_currency
from mailroom.invoices.files.values.currencies import SIGNS, UNCLEAR_SIGNS, decimals, read_currency
from mailroom.invoices.model.columns import ParsedInvoice
from mailroom.invoices.model.texts import BadValue
from tests.unit.invoices.files.values.test_derived import read

ROW = "A-1;2024-01-31;Acme"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("EUR", "EUR"), (" eur ", "EUR"), ("€", "EUR"), ("Euro", "EUR"), ("EURO", "EUR"), ("Euros", "EUR"),
        ("£", "GBP"), ("US$", "USD"), ("US Dollar", "USD"), ("US-Dollar", "USD"), ("Pound Sterling", "GBP"),
        ("Swiss Franc", "CHF"), ("zł", "PLN"), ("Kč", "CZK"), ("₹", "INR"), ("R$", "BRL"), ("Yen", "JPY"),
        ("Swedish Krona - SEK", "SEK"), ("United States Dollar - USD", "USD"), ("British Pound - GBP", "GBP"),
        ("S$", "SGD"), ("RM", "MYR"), ("Rp", "IDR"), ("₱", "PHP"), ("฿", "THB"), ("₦", "NGN"), ("KSh", "KES"),
    ],
)  # fmt: skip
def test_currencies_that_are_read(text, code):
    assert read_currency(text) == (code, decimals()[code])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "currency.empty"), ("$", "currency.ambiguous"), ("¥", "currency.ambiguous"), ("kr", "currency.ambiguous"),
        ("Rs.", "currency.ambiguous"), ("R", "currency.ambiguous"),
        ("Fr.", "currency.ambiguous"), ("Dollar", "currency.unknown"), ("Pound", "currency.unknown"),
        ("Bolívar Soberano", "currency.unknown"), ("EU", "currency.unknown"), ("XAU", "currency.unknown"),
        ("EUR GBP", "currency.unknown"), ("Euro - GBP", "currency.unknown"), ("Total - EUR", "currency.unknown"),
    ],
)  # fmt: skip
def test_currencies_that_are_refused(text, code):
    fault = read_currency(text)
    assert isinstance(fault, BadValue)
    assert fault.code == code


def test_a_sign_of_several_currencies_says_to_set_a_constant():
    fault = read_currency("$")
    assert isinstance(fault, BadValue)
    assert "USD, CAD" in fault.message
    assert "constant" in fault.message


@pytest.mark.parametrize(
    ("sign", "constant", "code"),
    [("$", "USD", "USD"), ("$", "cad", "CAD"), ("kr", "SEK", "SEK"), ("Rs.", "INR", "INR"), ("$", "", "")],
)
def test_the_constant_tells_which_currency_a_sign_in_a_cell_stands_for(sign, constant, code):
    rules = Rules(constants={"currency": constant} if constant else {})
    data = f"Number;Date;Supplier;Currency;Gross;Net\n{ROW};{sign};119.00;100.00\n"
    [row] = read(data, rules)[1]
    assert (row.currency if isinstance(row, ParsedInvoice) else "") == code


def test_the_constant_of_another_currency_than_the_sign_does_not_count():
    data = f"Number;Date;Supplier;Currency;Gross;Net\n{ROW};$;119.00;100.00\n"
    [row] = read(data, Rules(constants={"currency": "EUR"}))[1]
    assert isinstance(row, Rejected)
    assert [error.code for error in row.errors] == ["currency.ambiguous"]


def test_each_sign_is_clear_or_not():
    assert set(SIGNS.values()) <= decimals().keys()
    assert set(SIGNS) & set(UNCLEAR_SIGNS) == {"£"}  # beside an amount it may be that of Egypt too


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Gross (EUR)", ("Gross", "EUR")), ("Amount in EUR", ("Amount", "EUR")), ("Total [GBP]", ("Total", "GBP")),
        ("Brutto €", ("Brutto", "EUR")), ("Brutto in €", ("Brutto", "EUR")), ("Betrag in Euro", ("Betrag", "EUR")),
        ("Total en EUR", ("Total", "EUR")), ("Net_(US$)", ("Net", "USD")), ("Total (£) ", ("Total", "GBP")),
        ("Total (RM)", ("Total", "MYR")), ("Total S$", ("Total", "SGD")), ("TERM", None), ("Total Rs.", None),
        ("Total ($)", None), ("Total (ALL)", None), ("Total (all)", None), ("Gross (Eur)", None), ("Gross EUR", None),
        ("EUR", None), ("(EUR)", None), ("Total (ABC)", None), ("Gross (EUR) 2", None), (" " * 200_000 + "x", None),
    ],
)  # fmt: skip
def test_a_name_may_end_in_a_currency(name, split):
    assert split_currency(name) == split


@pytest.mark.parametrize("names", ["Gross (EUR);Net (EUR)", "Gross;Net in EUR", "Total [EUR];Net", "Brutto €;Netto €"])
def test_the_names_of_the_amounts_give_the_currency(names):
    dialect, [invoice] = read(f"Number;Date;Supplier;{names}\n{ROW};119.00;100.00\n")
    assert isinstance(invoice, ParsedInvoice)
    assert (invoice.currency, dialect.header_currency, invoice.extra) == ("EUR", "EUR", {})


def test_a_row_in_another_currency_than_its_header_is_rejected():
    data = f"Number;Date;Supplier;Gross (EUR);Net;Currency\n{ROW};119.00;100.00;{{}}\n"
    for text, code in (("EUR", None), ("", None), ("USD", "currency.header")):
        [row] = read(data.format(text))[1]
        assert [error.code for error in row.errors] == [code] if isinstance(row, Rejected) else code is None


@pytest.mark.parametrize(
    ("names", "constants"),
    [("Gross (EUR);Net (USD)", {}), ("Gross €;Net £", {}), ("Gross (EUR);Net", {"currency": "USD"})],
)
def test_currencies_of_the_header_that_contradict_each_other_refuse_the_file(names, constants):
    with pytest.raises(FileRejected) as refused:
        read(f"Number;Date;Supplier;{names}\n{ROW};119.00;100.00\n", Rules(constants=constants))
    assert refused.value.code == "header.currency"


def test_a_currency_in_one_name_does_not_hide_the_plain_name():
    header = "Number;Date;Supplier;Currency;Net;Total;Total (EUR)"
    dialect, [invoice] = read(f"{header}\n{ROW};USD;100.00;119.00;109.00\n")
    assert isinstance(invoice, ParsedInvoice)
    assert (str(invoice.gross_amount), invoice.currency, invoice.extra) == ("119.00", "USD", {"Total (EUR)": "109.00"})
    assert dialect.header_currency == ""


def test_a_dollar_sign_in_the_header_is_no_currency():
    with pytest.raises(FileRejected) as refused:
        read(f"Number;Date;Supplier;Gross $;Net $\n{ROW};119.00;100.00\n")
    assert (refused.value.code, refused.value.column) == ("header.missing_column", "currency")
