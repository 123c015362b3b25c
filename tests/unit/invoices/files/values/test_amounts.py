from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.invoices.files.values.amounts import decimal_mark, read_amount
from mailroom.invoices.model.texts import BadValue


@pytest.mark.parametrize(
    ("text", "mark", "expected"),
    [
        ("1190.00", ".", "1190.00"),
        ("1190", ".", "1190.00"),
        ("-12.5", ".", "-12.50"),
        ("+12.50", ".", "12.50"),
        ("1,190.00", ".", "1190.00"),
        ("1.190,00", ",", "1190.00"),
        ("1.190,00", "", "1190.00"),
        ("1.234.567", "", "1234567.00"),
        ("1.234", ",", "1234.00"),
        ("1'234'567.89", "", "1234567.89"),
        ("1 234,50", "", "1234.50"),
        ("1\u00a0234,50", ",", "1234.50"),
        ("1\u202f234,50 €", ",", "1234.50"),
        ("€ 12.00", ".", "12.00"),
        ("-€12.00", ".", "-12.00"),
        ("€-12.00", ".", "-12.00"),
        ("EUR 12.00", ".", "12.00"),
        ("12.00 eur", ".", "12.00"),
        ("(12.00)", ".", "-12.00"),
        ("(12.00 €)", ".", "-12.00"),
        ("12.00-", ".", "-12.00"),
        ("\u221212.00", ".", "-12.00"),
        ("-0.00", ".", "0.00"),
        ("119.0000", "", "119.00"),
        ("119.0000", ".", "119.00"),
        ("-119,500", ",", "-119.50"),
        ("1,190.000 €", ".", "1190.00"),
        ("1,23,456.00", "", "123456.00"),
        ("€ 12,34,56,789.50", ".", "123456789.50"),
        ("1,23,456", "", "123456.00"),
        (" 7.00 ", ".", "7.00"),
        ("999999999999999.99", ".", "999999999999999.99"),
    ],
)
def test_amounts_that_are_read(text, mark, expected):
    amount = read_amount(text, mark, "EUR", 2)
    assert amount == Decimal(expected)
    assert str(amount) == expected  # the scale and the sign of zero too


@pytest.mark.parametrize(
    ("text", "mark", "code"),
    [
        ("", ".", "amount.empty"),
        ("  ", ".", "amount.empty"),
        ("1.234", "", "amount.ambiguous"),
        ("1,234", "", "amount.ambiguous"),
        ("-1.234 €", "", "amount.ambiguous"),
        ("1.234", ".", "amount.too_many_digits"),
        ("1,2345", ",", "amount.too_many_digits"),
        ("12,50", ".", "amount.not_a_number"),
        ("12,34.00", ".", "amount.not_a_number"),
        ("1,23,45.00", ".", "amount.not_a_number"),
        ("1,2,456.00", ".", "amount.not_a_number"),
        ("123,45,678.00", ".", "amount.not_a_number"),
        ("1.23.456,00", ",", "amount.not_a_number"),
        ("119.0001", ".", "amount.too_many_digits"),
        ("1,234'567.00", ".", "amount.not_a_number"),
        ("1.234,567.00", "", "amount.not_a_number"),
        ("1_000.50", ".", "amount.not_a_number"),
        ("1e3", ".", "amount.not_a_number"),
        ("12x", ".", "amount.not_a_number"),
        ("NaN", ".", "amount.not_a_number"),
        ("Infinity", ".", "amount.not_a_number"),
        ("\u0663\u0664.\u0660\u0660", ".", "amount.not_a_number"),
        ("12.", ".", "amount.not_a_number"),
        (".5", ".", "amount.not_a_number"),
        ("--12.00", ".", "amount.not_a_number"),
        ("(-12.00)", ".", "amount.not_a_number"),
        ("-12.00-", ".", "amount.not_a_number"),
        ("(12.00", ".", "amount.not_a_number"),
        ("€ 12.00 €", ".", "amount.not_a_number"),
        ("$12.00", ".", "amount.currency"),
        ("12.00 USD", ".", "amount.currency"),
        ("1234567890123456.00", ".", "amount.too_large"),
        ("1" * 200_000, ".", "amount.not_a_number"),
    ],
)
def test_amounts_that_are_refused(text, mark, code):
    fault = read_amount(text, mark, "EUR", 2)
    assert isinstance(fault, BadValue)
    assert fault.code == code


def test_an_ambiguous_amount_names_the_setting():
    fault = read_amount("1.234", "", "EUR", 2)
    assert isinstance(fault, BadValue)
    assert "IMPORT_DECIMAL_MARK" in fault.message


@pytest.mark.parametrize(
    ("text", "digits", "expected"),
    [
        ("55000", 0, "55000"),
        ("1190.00", 0, "1190"),
        ("-0.00", 0, "0"),
        ("1.5000", 3, "1.500"),
        ("1.5", 3, "1.500"),
        ("1.234", 3, "1.234"),
    ],
)
def test_the_currency_decides_the_decimals(text, digits, expected):
    assert str(read_amount(text, ".", "XXX", digits)) == expected


@pytest.mark.parametrize(
    ("number", "mark"),
    [("12.5", "."), ("12,5", ","), ("1.234", "?"), ("0.123", "."), ("1234.567", "."), ("1.234.567", ","), ("12", "")],
)
def test_a_number_proves_its_decimal_mark_or_nothing(number, mark):
    assert decimal_mark(number) == mark


@pytest.mark.parametrize(
    ("text", "digits", "expected"),
    [("11900", 2, "119.00"), ("-5", 2, "-0.05"), ("0", 2, "0.00"), ("-0", 2, "0.00"), ("11900", 0, "11900"),
     ("1500", 3, "1.500"), ("(11900)", 2, "-119.00"), ("11900 €", 2, "119.00"), ("9" * 17, 2, "9" * 15 + ".99")],
)  # fmt: skip
def test_minor_units_are_shifted_by_the_digits_of_the_currency(text, digits, expected):
    assert str(read_amount(text, ".", "EUR", digits, minor_units=True)) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [("119.00", "amount.not_a_number"), ("1,190", "amount.not_a_number"), ("1 190", "amount.not_a_number"),
     ("", "amount.empty"), ("11900 $", "amount.currency"), ("9" * 18, "amount.too_large")],
)  # fmt: skip
def test_in_minor_units_an_amount_has_no_mark(text, code):
    fault = read_amount(text, ".", "EUR", 2, minor_units=True)
    assert isinstance(fault, BadValue)
    assert fault.code == code


@given(
    st.integers(-(10**14), 10**14), st.sampled_from(".,"), st.sampled_from(["", " ", "'", "\u202f", "other", "Indian"]),
    st.integers(0, 4), st.sampled_from(["{}", "{} €", "EUR {}"]),
)  # fmt: skip
def test_every_amount_is_read_exactly_or_refused(units, mark, grouping, zeros, form):
    amount, mark = Decimal(units).scaleb(-2), "." if grouping == "Indian" else mark
    whole, _, fraction = f"{abs(amount):.2f}".partition(".")
    if grouping == "Indian":
        head, tail = whole[:-3], whole[-3:]
        pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)]
        whole = ",".join([*reversed(pairs), tail])
    else:
        separator = ",."[mark == ","] if grouping == "other" else grouping
        whole = f"{int(whole):,}".replace(",", separator)
    text = form.format(f"{'-' * (amount < 0)}{whole}{mark}{fraction}{'0' * zeros}")
    for known in ("", mark):
        found = read_amount(text, known, "EUR", 2)
        assert found == amount or isinstance(found, BadValue), (text, found)
    if grouping != "Indian":
        assert read_amount(text, mark, "EUR", 2) == amount
