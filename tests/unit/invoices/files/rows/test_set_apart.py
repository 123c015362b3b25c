"""Totals and headings of reports are set apart; whatever may be an invoice is not."""

from __future__ import annotations

import pytest

from mailroom.invoices.columnar import read_batches
from mailroom.invoices.files import Rules, detect
from tests.unit.invoices.columnar.test_batches import STAMP

HEADER = "Invoice Number,Date,Gross,Net,VAT,Supplier,Address,Currency,Status"
GOOD = "A-{},2024-01-31,119.00,100.00,19.00,ACME Ltd,1 High St,EUR,open\n"


def counts(text: str, rules: Rules = Rules(), most_rows: int = 1000) -> tuple[int, int, int]:  # noqa: B008 - immutable
    """Rows that are imported, rejected, set apart."""
    data = text.encode()
    dialect = detect(data, rules, complete=True)
    found = [0, 0, 0]
    for batch in read_batches(
        [data], dialect, rules, offset=0, row=0, most_rows=most_rows, most_bytes=1 << 20, stamp=lambda: STAMP
    ):
        found[0] += len(batch.all_rows())
        found[1] += len(batch.rejected)
        found[2] += batch.set_apart
        assert batch.count == len(batch.all_rows()) + len(batch.rejected)
    return (found[0], found[1], found[2])


def among(row: str, header: str = HEADER, good: str = GOOD) -> tuple[int, int, int]:
    return counts(f"{header}\n{good.format(1)}{row}\n{good.format(2)}")


@pytest.mark.parametrize(
    "word",
    ["Total", "TOTAL:", "Subtotal", "Sub-total", "Grand total", "Summe", "Zwischensumme", "Gesamt", "Totale", "Razem",
     "Suma", "Totaal", "Totalt", "Summa", "Sous-total", "Total général", "Ogółem", "Total for ACME Ltd", "Total ACME",
     "Summe für ACME", "ACME Total", "Totale per ACME", "Gesamtergebnis", "Łącznie"],
)  # fmt: skip
@pytest.mark.parametrize("amounts", ["238.00,200.00,38.00,,,,", "238.00,200.00,38.00,,,EUR,", ",,,,,,"])
def test_a_total_is_set_apart(word, amounts):
    assert among(f"{word},,{amounts}") == (2, 0, 1)


def test_a_total_may_stand_in_another_column_than_that_of_the_number():
    assert among(",Total for ACME,238.00,200.00,38.00,,,,") == (2, 0, 1)
    header = "Supplier,Invoice Number,Date,Gross,Net,VAT,Currency"
    good = "ACME,A-{},2024-01-31,119.00,100.00,19.00,EUR\n"
    assert among("Total for ACME,,,238.00,200.00,38.00,", header, good) == (2, 0, 1)
    assert among("Total,,,238.00,200.00,38.00,", header, good) == (2, 0, 1)


@pytest.mark.parametrize(
    "row",
    [
        "Total,2024-01-31,119.00,100.00,19.00,,,EUR,",  # it has a date
        "Total,,119.00,100.00,19.00,ACME Ltd,,EUR,",  # and a supplier
        "A-9,,119.00,100.00,19.00,ACME Ltd,1 High St,EUR,open",  # an invoice whose date is missing
        ",,119.00,100.00,19.00,Total Energies,1 High St,EUR,open",
        "Totally unlike,,119.00,100.00,19.00,,,,",
        ",,238.00,200.00,38.00,,,,",
        "Total,A-9,238.00,200.00,38.00,,,,",
        "A-7,,,,,,,,",
        "RE2024-17,,,,,,,,",
        "A-7",
        "119.00",
        "2024-01-31",
        ",,,,,,,,EUR;1",
        '"A-7,2024-01-31,119.00,100.00,19.00,ACME,,EUR,"',
        "A-7;2024-01-31;119.00",
        '"A-7,2024-01-31,119.00"',
        '"ACME, 119.00"',
        '"ACME\nA-7"',
    ],
)
def test_what_may_be_an_invoice_is_rejected(row):
    assert among(row) == (2, 1, 0)


def test_a_supplier_that_is_called_total_is_no_total():
    header = "Supplier,Invoice Number,Date,Gross,Net,VAT,Currency"
    good = "ACME,A-{},2024-01-31,119.00,100.00,19.00,EUR\n"
    assert among("Total Energies,,,119.00,100.00,19.00,", header, good) == (2, 1, 0)


@pytest.mark.parametrize(
    "row", ["ACME Ltd", "ACME Ltd,,,,,,,,", "Printed on 01.06.2024", ",,,,,ACME Ltd,,,", '"ACME, Ltd",,,,,,,,']
)
def test_a_heading_is_set_apart(row):
    assert among(row) == (2, 0, 1)


@pytest.mark.parametrize("row", ["-" * 80, "---,---,---", "=====,,,,,,,,", "***"])
def test_a_rule_is_set_apart(row):
    assert among(row) == (2, 0, 1)


@pytest.mark.parametrize("row", ["-,-,-,-,-,-,-,-,-", "A-9,----------,---,---,---,ACME Ltd,,EUR,"])
def test_a_row_of_which_a_cell_is_a_rule_or_a_dash_is_rejected(row):
    assert among(row) == (2, 1, 0)


def test_a_heading_of_more_than_200_characters_is_none():
    assert among("x" * 201) == (2, 1, 0)


REPORTS = {
    "QuickBooks": (
        "Ledger of Old Mill,,,,,,,\nBills by vendor,,,,,,,\nFrom,2024-01-01,To,2024-01-31,,,,\n,,,,,,,\n"
        ",Date,Num,Supplier,Net,VAT,Total,Currency\n"
        "ACME Ltd,,,,,,,\n"
        ",01/31/2024,A-1,ACME Ltd,100.00,19.00,119.00,EUR\n"
        ",01/30/2024,A-2,ACME Ltd,100.00,19.00,119.00,EUR\n"
        "Total for ACME Ltd,,,,200.00,38.00,238.00,\n"
        "Bolts & Co,,,,,,,\n"
        ",01/31/2024,A-3,Bolts & Co,100.00,19.00,119.00,EUR\n"
        "Total for Bolts & Co,,,,100.00,19.00,119.00,\n"
        "TOTAL,,,,300.00,57.00,357.00,\n\n"
        '"Friday, Jun 01, 2024 10:12:33 AM GMT-7 - Accrual Basis"\n'
    ),
    "Xero": (
        "Payable Invoice Summary\nOld Mill\nFor the period 1 January 2024 to 31 January 2024\n\n"
        "Invoice Number,Supplier,Date,Net,VAT,Gross,Currency\n"
        "A-1,ACME Ltd,2024-01-31,100.00,19.00,119.00,EUR\n"
        "A-2,ACME Ltd,2024-01-31,100.00,19.00,119.00,EUR\n"
        "A-3,Bolts & Co,2024-01-31,100.00,19.00,119.00,EUR\n\n"
        "Total,,,300.00,57.00,357.00,\n"
    ),
    "SAP": (
        "31.01.2024                 Dynamic List Display                 1\n" + "-" * 60 + "\n"
        "|  |Number   |Date      |Supplier|  Gross   |     Net  |    VAT  |Currency|\n" + "-" * 60 + "\n"
        "|  |A-1      |31.01.2024|ACME Ltd|   119,00 |   100,00 |   19,00 |EUR     |\n"
        "|  |A-2      |31.01.2024|ACME Ltd|   119,00 |   100,00 |   19,00 |EUR     |\n"
        "|  |A-3      |31.01.2024|ACME Ltd|   119,00 |   100,00 |   19,00 |EUR     |\n" + "-" * 60 + "\n"
        "|* |         |          |        |   357,00 |   300,00 |   57,00 |EUR     |\n" + "-" * 60 + "\n"
    ),
    "key and value": (
        "Fornitore;ACME Ltd\nData;2024-01-31\nTotale;357,00\n\n"
        "Numero;Data;Imponibile;IVA;Totale;Fornitore;Valuta\n"
        "A-1;31.01.2024;100,00;19,00;119,00;ACME Ltd;EUR\n"
        "A-2;31.01.2024;100,00;19,00;119,00;ACME Ltd;EUR\n"
        "A-3;31.01.2024;100,00;19,00;119,00;ACME Ltd;EUR\n"
        "Totale generale;;300,00;57,00;357,00;;\n"
    ),
}


@pytest.mark.parametrize(("report", "set_apart"), [("QuickBooks", 6), ("Xero", 1), ("SAP", 4), ("key and value", 1)])
def test_a_report_is_read_with_its_preamble_headings_and_totals(report, set_apart):
    assert counts(REPORTS[report]) == (3, 0, set_apart)


@pytest.mark.parametrize("most_rows", [1, 3, 10, 1000])
def test_the_fast_path_sets_the_same_rows_apart(most_rows):
    rows = [
        GOOD.format(n) + ("Total,,,,,,,,\n" if n % 10 == 9 else "ACME Ltd\n" if n % 10 == 0 else "") for n in range(300)
    ]
    assert counts(f"{HEADER}\n{''.join(rows)}", most_rows=most_rows) == (300, 0, 60)
    assert counts(f"{HEADER}\n{GOOD.format(0)}" + "ACME Ltd\n" * 300, most_rows=most_rows) == (1, 0, 300)
