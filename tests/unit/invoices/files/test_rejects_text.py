"""Every problem of a row is named, and the rejects file imports once it is corrected."""

import sys
from decimal import Decimal
from pathlib import Path

import pytest

from mailroom.invoices.files import (
    Dialect,
    FileRejected,
    Rejected,
    RowParser,
    Rules,
    detect,
    read_records,
    rejects_header,
    rejects_line,
)
from mailroom.invoices.model.columns import COLUMNS, ParsedInvoice

SAMPLES = Path(__file__).parents[4] / "samples"
HEADER = ",".join(COLUMNS)
GOOD = "A-1,2024-01-31,119.00,100.00,19.00,Acme Ltd,Town,EUR,open"


def read(text: str, rules: Rules = Rules()) -> tuple[Dialect, list[ParsedInvoice | Rejected]]:  # noqa: B008 - immutable
    data = text.encode()
    dialect = detect(data, rules, complete=True)
    parser = RowParser(dialect, rules)
    return dialect, [parser.parse(row) for row in read_records([data], dialect, rules, offset=0, row=0)]


def rejects_of(text: str) -> str:
    dialect, results = read(text)
    return rejects_header(dialect) + "".join(rejects_line(dialect, row) for row in results if isinstance(row, Rejected))


def problems(row: str, rules: Rules = Rules()) -> list[tuple[str | None, str]]:  # noqa: B008 - immutable
    _, results = read(f"{HEADER}\n{GOOD}\n{row}\n", rules)
    rejected = results[1]
    assert isinstance(rejected, Rejected)
    return [(problem.column, problem.code) for problem in rejected.errors]


def test_all_problems_of_a_row_are_named():
    assert problems(",2024-02-30,x,,,\x07,To\x07wn,EUX," + "s" * 51) == [
        ("invoiceNumber", "text.empty"),
        ("invoiceDate", "date.invalid"),
        ("grossAmount", "amount.not_a_number"),
        ("netAmount", "amount.empty"),
        ("vatAmount", "amount.empty"),
        ("supplierName", "text.control_character"),
        ("supplierAddress", "text.control_character"),
        ("currency", "currency.unknown"),
        ("status", "text.too_long"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("119.00", "119.03", ("grossAmount", "amount.sum")),
        ("A-1", "A" * 101, ("invoiceNumber", "text.too_long")),
        ("A-1", "A\ufffd", ("invoiceNumber", "text.control_character")),
        ("A-1", "A\u200b-1", ("invoiceNumber", "text.invisible_character")),
        ("Acme Ltd", "Acme\u202e Ltd", ("supplierName", "text.invisible_character")),
        ("Town", "To\u2066wn", ("supplierAddress", "text.invisible_character")),
        ("open", "op\u200ben", ("status", "text.invisible_character")),
        ("Acme Ltd", '"Acme\nLtd"', ("supplierName", "text.control_character")),
        ("EUR", "XAU", ("currency", "currency.unknown")),
        ("EUR", "", ("currency", "currency.empty")),
        ("119.00,100.00,19.00,Acme Ltd,Town,EUR", "1.50,1.25,0.25,x,,JPY", ("grossAmount", "amount.too_many_digits")),
        (",EUR,open", "", (None, "row.field_count")),
        ("open", "open,", (None, "row.field_count")),
    ],
)
def test_each_wrong_value_has_its_code(old, new, problem):
    assert problem in problems(GOOD.replace(old, new))


def test_statuses_can_be_restricted_and_are_written_as_set():
    rules = Rules(statuses=frozenset({"Open", "Paid"}))
    assert problems(GOOD.replace("open", "lost"), rules) == [("status", "status.unknown")]
    result = read(GOOD, rules)[1][0]
    assert isinstance(result, ParsedInvoice)
    assert result.status == "Open"


def test_the_tolerance_is_a_setting():
    row = GOOD.replace("119.00", "119.02")
    assert isinstance(read(row)[1][0], ParsedInvoice)
    assert isinstance(read(row, Rules(amount_tolerance=Decimal(0)))[1][0], Rejected)


def test_values_are_trimmed_and_composed():
    result = read(GOOD.replace("Acme Ltd", " Mu\u0308ller\u00a0").replace("EUR", "eur"))[1][0]
    assert isinstance(result, ParsedInvoice)
    assert (result.supplier_name, result.currency) == ("Müller", "EUR")


def test_a_value_in_a_column_without_a_name_is_rejected():
    _, results = read(f"{HEADER},\n{GOOD},\n{GOOD},lost\n")
    assert isinstance(results[0], ParsedInvoice)
    assert isinstance(results[1], Rejected)
    assert results[1].errors[0].code == "row.unnamed_value"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", [f"{HEADER}\n", ""])
def test_a_corrected_rejects_file_imports(delimiter, header):
    bad = GOOD.replace("2024-01-31", "2024-02-30")
    rejects = rejects_of(f"{header}{GOOD}\n{bad}\n".replace(",", delimiter))
    begin = ["_row", "_offset", "_column", "_code", "_message", "_guard=apostrophe", *COLUMNS]
    assert rejects.splitlines()[0] == delimiter.join(f'"{name}"' for name in begin)
    assert rejects.splitlines()[1].endswith(delimiter.join(f'"{cell}"' for cell in bad.split(",")))
    _, results = read(rejects.replace("2024-02-30", "2024-01-31"))
    assert results == read(GOOD)[1]


def test_the_rejects_of_the_widest_file_can_be_uploaded():
    further = [f"C{number}" for number in range(991)]
    bad = GOOD.replace("2024-01-31", "2024-02-30") + "," * 991
    rejects = rejects_of(f"{','.join([HEADER, *further])}\n{bad}\n")
    assert isinstance(read(rejects.replace("2024-02-30", "2024-01-31"))[1][0], ParsedInvoice)
    with pytest.raises(FileRejected, match="too_many_columns"):
        read(f"{','.join([HEADER, *further, 'C'])}\n")
    with pytest.raises(FileRejected, match="too_many_columns"):
        read(",".join(["_x"] * 1100) + f",{HEADER}\n")


def test_rejected_twice_the_old_reasons_are_gone():
    once = rejects_of(f"{HEADER}\n{GOOD.replace('119.00', '120.00')}\n")
    twice = rejects_of(once.replace("120.00", "130.00"))
    assert [line.count("amount.sum") for line in twice.splitlines()] == [0, 1]
    assert twice.splitlines()[0] == once.splitlines()[0]
    assert isinstance(read(twice.replace("130.00", "119.00"))[1][0], ParsedInvoice)


def test_a_row_with_broken_quotes_is_kept_as_one_field():
    rejects = rejects_of(f'{HEADER}\n{GOOD}\nB-1,"a"b,c\n{GOOD}\n')
    assert rejects.splitlines()[1].endswith(',"B-1,""a""b,c"')
    rejected = read(rejects)[1][0]
    assert isinstance(rejected, Rejected)
    assert rejected.errors[0].code == "row.field_count"


def test_the_rejects_file_carries_what_the_whole_file_proved():
    good = "A-1;25/04/2024;1.190;1.000;190;Acme;Town;EUR;open"
    proof = good.replace("1.190;1.000;190", "1.190,50;1.000,50;190,00")
    bad = good.replace("25/04", "03/04").replace("1.190", "1.200")
    rejects = rejects_of(f"{proof}\n{good}\n{bad}\n")
    result = read(rejects.replace("1.200", "1.190"))[1][0]
    assert isinstance(result, ParsedInvoice)
    assert (str(result.invoice_date), result.gross_amount) == ("2024-04-03", Decimal("1190.00"))


@pytest.mark.parametrize(
    ("name", "rows", "codes"),
    [
        ("headerless.csv", 12, []),
        ("german.csv", 12, []),
        ("with-errors.csv", 10, ["date.invalid", "amount.sum", "currency.unknown", "row.field_count"]),
    ],
)
def test_the_samples_give_their_documented_counts(name, rows, codes):
    _, results = read((SAMPLES / name).read_text("utf-8"))
    assert len(results) == rows
    assert [row.errors[0].code for row in results if isinstance(row, Rejected)] == codes


def test_made_up_rows_are_valid(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(SAMPLES), *sys.path])
    import generate

    _, results = read(generate.HEADER + "".join(generate.rows(2000)))
    assert len({result.invoice_number for result in results if isinstance(result, ParsedInvoice)}) == 2000
