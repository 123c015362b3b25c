"""What a file proves about its dates and amounts, and how its rejects file takes that along."""

import pytest

from mailroom.invoices.files import Dialect, FileRejected, Rejected, Rules, rejects_header, rejects_line
from mailroom.invoices.model.columns import ParsedInvoice
from tests.unit.invoices.files.values.test_derived import read

HEADER = "Number;Date;Supplier;Currency;Gross;Net\n"


def file_of(*rows: tuple[str, str, str, str], header: str = HEADER) -> str:
    """Rows of a date, a currency, gross and net."""
    lines = (f"A-{n};{day};Acme;{currency};{gross};{net}\n" for n, (day, currency, gross, net) in enumerate(rows))
    return header + "".join(lines)


def dated(*days: str) -> str:
    return file_of(*((day, "EUR", "119.00", "100.00") for day in days))


def days_of(data: str, rules: Rules = Rules()) -> list[str]:  # noqa: B008 - immutable
    rows = read(data, rules)[1]
    return [str(row.invoice_date) if isinstance(row, ParsedInvoice) else row.errors[0].code for row in rows]


def test_dashes_follow_the_order_that_the_file_proves():
    dialect, _ = read(dated("03-04-2024", "25-04-2024"))
    assert (dialect.date_order, dialect.date_formats) == ("dmy", ("dashed",))
    assert days_of(dated("03-04-2024", "04-25-2024")) == ["2024-03-04", "2024-04-25"]


@pytest.mark.parametrize(
    ("days", "order"),
    [
        (["01/02/24", "1/31/24"], "mdy"),
        (["01/02/24", "31/1/99"], "dmy"),
        (["31/01/24", "5/2/24"], "dmy"),
        (["31/01/24", "01/02/99"], "dmy"),
        (["01/02/24", "31/01/2024"], "dmy"),
    ],
)
def test_two_digit_years_prove_an_order_together(days, order):
    assert read(dated(*days))[0].date_order == order


@pytest.mark.parametrize(
    "days",
    [["01/02/2024"], ["01-02-2024"], ["01/02/03"], ["31/01/24", "15/02/24"], ["24/01/31", "24/02/29"], ["24-01-31"],
     ["31-01-2024", "01-31-2024"], ["31/01/2024", "01-31-2024"], ["99/12/31"]],
)  # fmt: skip
def test_dates_that_prove_no_order_refuse_the_file(days):
    with pytest.raises(FileRejected) as refused:
        read(dated(*days))
    assert refused.value.code == "dialect.ambiguous_date"
    assert "IMPORT_DATE_ORDER" in refused.value.message


def test_a_setting_gives_the_order_of_two_digit_years_with_slashes_only():
    rules = Rules(date_order="dmy")
    assert days_of(dated("31/01/24", "15/02/69", "15/02/70"), rules) == ["2024-01-31", "2069-02-15", "1970-02-15"]
    assert days_of(dated("31-01-24", "24-01-31"), rules) == ["date.ambiguous"] * 2


def test_other_forms_need_no_order():
    days = ["31-Jan-2024", "31 January 2024", "Jan 31, 2024", "31/Jan/24", "20240131", "2024/01/31", "31.01.24"]
    assert days_of(dated(*days, "2024-01-31T10:15:00Z")) == ["2024-01-31"] * 8


@pytest.mark.parametrize(
    ("gross", "mark"), [("119.0000", "."), ("119,0000", ","), ("1,23,456.00", "."), ("119.000", "")]
)
def test_amounts_prove_the_decimal_mark(gross, mark):
    assert read(file_of(("2024-01-31", "EUR", gross, "100")))[0].decimal_mark == mark


def test_zeros_beyond_the_digits_of_the_currency_are_dropped():
    data = file_of(("2024-01-31", "EUR", "119.0000", "100.0000"), ("2024-01-31", "JPY", "1190.00", "1000.00"))
    rows = read(data)[1]
    found = [(str(row.gross_amount), str(row.vat_amount)) for row in rows if isinstance(row, ParsedInvoice)]
    assert found == [("119.00", "19.00"), ("1190", "190")]


def test_minor_units_are_read_by_the_currency():
    data = file_of(("2024-01-31", "EUR", "11900", "10000"), ("2024-01-31", "JPY", "11900", "10000"))
    rows = read(data, Rules(minor_units=True))[1]
    assert [str(row.gross_amount) for row in rows if isinstance(row, ParsedInvoice)] == ["119.00", "11900"]
    [row] = read(file_of(("2024-01-31", "EUR", "119.00", "100.00")), Rules(minor_units=True))[1]
    assert isinstance(row, Rejected)
    assert [error.code for error in row.errors] == ["amount.not_a_number"] * 2


def corrected(data: str, rules: Rules, wrong: str, right: str) -> tuple[Dialect, list[ParsedInvoice | Rejected]]:
    """What a rejects file gives without the rules, once it is corrected."""
    dialect, rows = read(data, rules)
    rejected = [rejects_line(dialect, row) for row in rows if isinstance(row, Rejected)]
    assert len(rejected) == 1
    text = rejects_header(dialect) + rejected[0]
    return read(text.replace(wrong, right), Rules(constants=rules.constants))


@pytest.mark.parametrize(
    ("days", "rules", "wanted"),
    [
        (("25-04-2024", "03-04-2024"), Rules(), "2024-04-03"),
        (("31/1/24", "03/04/24"), Rules(date_order="dmy"), "2024-04-03"),
        (("31.12.24", "03.04.50"), Rules(year_pivot=30), "1950-04-03"),
        (("2024-01-31", "03-Apr-24"), Rules(), "2024-04-03"),
    ],
)
def test_a_corrected_rejects_file_has_the_same_dates(days, rules, wanted):
    good, bad = ((day, "EUR", "119.00", "100.00") for day in days)
    data = file_of(good, (bad[0], "XXX", *bad[2:]))
    [invoice] = corrected(data, rules, "XXX", "EUR")[1]
    assert isinstance(invoice, ParsedInvoice), invoice
    assert str(invoice.invoice_date) == wanted


def test_a_corrected_rejects_file_has_the_same_amounts_and_currency():
    minor = corrected(file_of(("x", "EUR", "11900", "10000")), Rules(minor_units=True), '"x"', '"2024-01-31"')[1]
    header = HEADER.replace("Currency;", "").replace("Gross", "Gross (GBP)")
    data = file_of(("x", "", "119.00", "100.00"), header=header).replace("Acme;;", "Acme;")
    named = corrected(data, Rules(constants={"status": "open"}), '"x"', '"2024-01-31"')[1]
    found = [
        (str(row.vat_amount), row.currency, row.status) for row in (*minor, *named) if isinstance(row, ParsedInvoice)
    ]
    assert found == [("19.00", "EUR", ""), ("19.00", "GBP", "open")]
