"""The first line of a file in DATEV's format says the year of its dates and the currency."""

from datetime import date
from pathlib import Path

import pytest

from mailroom.invoices.files import FileRejected, Rejected, Rules, detect, read_records
from mailroom.invoices.files.headers.datev import BatchHeader, batch_header
from mailroom.invoices.files.headers.programs import rules_of
from mailroom.invoices.files.rows.invoice_rows import InvoiceReader
from mailroom.invoices.files.values.dates import read_date
from mailroom.invoices.model.columns import ParsedInvoice
from mailroom.invoices.model.texts import BadValue

SAMPLE = (Path(__file__).parents[4] / "samples" / "programs" / "datev.csv").read_bytes()
FIRST, REST = SAMPLE.split(b"\r\n", 1)
RULES = Rules(aliases={"Buchungstext": "supplierName"}, constants={"vatRate": "19"})


def read(data: bytes, rules: Rules = RULES) -> list[ParsedInvoice | Rejected]:
    dialect = detect(data, rules, complete=True)
    rules = rules_of(dialect, rules)
    records = read_records([data], dialect, rules, offset=0, row=0)
    rows = [row.result for rows in InvoiceReader(dialect, rules).read(records) for row in rows.rows]
    return [row for row in rows if isinstance(row, ParsedInvoice | Rejected)]


@pytest.mark.parametrize("mark", ["EXTF", "DTVF"])
def test_the_first_line_says_the_business_year_and_the_currency(mark):
    fields = FIRST.decode("cp1252").replace('"', "").replace("EXTF", mark).split(";")
    assert batch_header(fields) == BatchHeader(date(2024, 7, 1), "EUR")


@pytest.mark.parametrize("line", ["", "EXTF", "invoiceNumber;invoiceDate", ";".join(["Umsatz"] * 30)])
def test_any_other_line_says_nothing(line):
    assert batch_header(line.split(";")) is None


@pytest.mark.parametrize("first_day", ["", "2024", "20241301", "x"])
def test_a_business_year_that_is_none_is_not_guessed(first_day):
    header = batch_header(FIRST.decode("cp1252").replace("20240701;4", f"{first_day};4").replace('"', "").split(";"))
    assert header is not None
    assert header.first_day is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0107", date(2024, 7, 1)),
        ("3112", date(2024, 12, 31)),
        ("0101", date(2025, 1, 1)),
        ("3006", date(2025, 6, 30)),
        ("2902", "date.invalid"),  # 2025 has no such day
    ],
)
def test_a_day_before_the_business_year_begins_is_of_the_next_calendar_year(text, expected):
    day = read_date(text, "", first_day=date(2024, 7, 1))
    assert (day.code if isinstance(day, BadValue) else day) == expected


def test_without_the_first_line_no_date_has_a_year_and_nothing_is_stored():
    rows = read(REST)
    assert all(isinstance(row, Rejected) for row in rows)
    assert {error.code for row in rows for error in row.errors} == {"date.invalid", "currency.empty", "status.unknown"}


def test_a_preset_with_another_currency_than_the_first_line_is_refused():
    with pytest.raises(FileRejected, match=r"EUR.*CHF") as refused:
        read(SAMPLE, Rules(aliases=RULES.aliases, constants={"vatRate": "19", "currency": "CHF"}))
    assert refused.value.code == "header.currency"
    same = read(SAMPLE, Rules(aliases=RULES.aliases, constants={"vatRate": "19", "currency": "eur"}))
    assert [row.currency for row in same if isinstance(row, ParsedInvoice)] == ["EUR", "EUR"]
