"""Files with a row for each line of an invoice, and with rows that belong to the row above."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailroom.invoices.columnar import RowBatch, read_batches
from mailroom.invoices.files import FileRejected, Rejected, Rules, detect, rejects_header, rejects_line
from mailroom.invoices.files.rows.grouping import MAX_LINES
from mailroom.platform.mongo import Document
from tests.unit.invoices.columnar.test_batches import STAMP

ADD_UP = Rules(line_items="addUp")
HEADER = "Invoice No,Date,Vendor,Item,Qty,Net,VAT,Total,Currency,Notes\n"
LINES = (
    "A-1,2024-05-01,ACME,Bolts,2,100.00,19.00,119.00,EUR,x\n",
    "A-1,2024-05-01,ACME,Nuts,3,200.00,38.00,238.00,EUR,x\n",
    "A-1,,,Freight,,10.00,1.90,11.90,,\n",
)
OTHER = "B-{},2024-05-01,ACME,Pins,1,100.00,19.00,119.00,EUR,\n"


def batches(
    text: str | bytes, rules: Rules = ADD_UP, *, most_rows: int = 1000, offset: int = 0, row: int = 0
) -> list[RowBatch]:
    data = text if isinstance(text, bytes) else text.encode()
    dialect = detect(data, rules, complete=True)
    return list(
        read_batches(
            [data[offset:]], dialect, rules, offset=offset, row=row,
            most_rows=most_rows, most_bytes=1 << 20, stamp=lambda: STAMP,
        )
    )  # fmt: skip


def read(text: str, rules: Rules = ADD_UP, *, most_rows: int = 1000) -> tuple[dict[str, Document], list[Rejected]]:
    found = batches(text, rules, most_rows=most_rows)
    rows = [row for batch in found for row in batch.all_rows()]
    return {row.content["invoiceNumber"]: row.content for row in rows}, [
        each for batch in found for each in batch.rejected
    ]


def codes(text: str, rules: Rules = ADD_UP) -> list[tuple[str | None, str]]:
    stored, rejected = read(text, rules)
    assert "A-1" not in stored
    return [(error.column, error.code) for each in rejected for error in each.errors]


def amounts(document: Document) -> tuple[str, str, str]:
    return tuple(str(document[name]) for name in ("grossAmount", "netAmount", "vatAmount"))


def test_the_lines_of_an_invoice_are_added_up():
    stored, rejected = read(HEADER + OTHER.format(0) + "".join(LINES) + OTHER.format(2))
    assert (rejected, list(stored)) == ([], ["B-0", "A-1", "B-2"])
    found = stored["A-1"]
    assert amounts(found) == ("368.90", "310.00", "58.90")
    assert (found["supplierName"], found["currency"], found["extra"]) == ("ACME", "EUR", {"Notes": "x"})
    assert [(line["text"], line["quantity"], str(line["net"])) for line in found["lines"]] == [
        ("Bolts", "2", "100.00"), ("Nuts", "3", "200.00"), ("Freight", "", "10.00"),
    ]  # fmt: skip
    assert len(stored["B-0"]["lines"]) == 1
    assert "derived" not in found


def test_row_numbers_and_counts_are_those_of_invoices():
    [batch] = batches(HEADER + OTHER.format(0) + "".join(LINES) + OTHER.format(2))
    assert [row.row for row in batch.rows] == [1, 2, 5]
    assert (batch.count, batch.row) == (3, 5)


def test_without_the_preset_each_row_is_an_invoice_as_before():
    stored, rejected = read(HEADER + LINES[0], Rules())
    assert rejected == []
    assert "lines" not in stored["A-1"]
    assert stored["A-1"]["extra"] == {"Item": "Bolts", "Qty": "2", "Notes": "x"}


@pytest.mark.parametrize(
    ("later", "problem"),
    [
        ("A-1,2024-05-01,ACME,Nuts,3,x,38.00,238.00,EUR,\n", ("netAmount", "amount.not_a_number")),
        ("A-1,2024-05-01,ACME,Nuts,3,200.00,38.00,239.00,EUR,\n", ("grossAmount", "amount.sum")),
        (f"A-1,2024-05-01,ACME,{'x' * 1001},3,200.00,38.00,238.00,EUR,\n", ("lineText", "text.too_long")),
        ("A-1,2024-05-01,ACME,Nuts, M8,3,200.00,38.00,238.00,EUR,\n", (None, "row.beside_broken")),
        ('A-1,2024-05-01,"ACME"x,Nuts,3,200.00,38.00,238.00,EUR,\n', (None, "row.beside_broken")),
        (",,,Nuts,3,200.00,38.00,238.00,EUR,\n", (None, "row.beside_broken")),
    ],
)
def test_an_invoice_with_a_bad_line_is_rejected_as_a_whole(later, problem):
    assert problem in codes(HEADER + LINES[0] + later + LINES[2])


@pytest.mark.parametrize("supplier", ["Acme Inc", ""])
def test_another_supplier_with_the_same_number_is_another_invoice(supplier):
    later = f"A-1,2024-05-01,{supplier},Nuts,3,200.00,38.00,238.00,EUR,\n"
    rows = [row for batch in batches(HEADER + LINES[0] + later) for row in batch.all_rows()]
    assert len(rows) == (2 if supplier else 1)


@pytest.mark.parametrize("column", ["Address", "Status"])
def test_what_should_be_the_same_in_all_rows_must_be(column):
    header = HEADER.replace("Notes", column)
    assert read(header + LINES[0] + LINES[2])[1] == []
    [(_, code)] = codes(header + LINES[0] + LINES[1].replace(",x\n", ",y\n"))
    assert code == "row.lines_differ"
    [(_, code)] = codes(header + LINES[0].replace(",x\n", ",\n") + LINES[1])
    assert code == "row.lines_differ"


def test_extra_columns_that_differ_are_of_the_lines_and_are_left_out():
    stored, _ = read(HEADER + LINES[0] + LINES[1].replace(",x\n", ",y\n"))
    assert "extra" not in stored["A-1"]


@pytest.mark.parametrize("later", ["", "119.00"])
def test_amounts_of_the_whole_invoice_are_not_added_up(later):
    rules = Rules(line_items="addUp", invoice_amounts=frozenset({"grossAmount", "netAmount", "vatAmount"}))
    net, vat = ("100.00", "19.00") if later else ("", "")
    text = f"{HEADER}{LINES[0]}A-1,,,Nuts,3,{net},{vat},{later},,\n"
    stored, rejected = read(text, rules)
    assert rejected == []
    assert amounts(stored["A-1"]) == ("119.00", "100.00", "19.00")
    assert [(line["text"], "net" in line) for line in stored["A-1"]["lines"]] == [("Bolts", False), ("Nuts", False)]
    assert codes(text.replace("A-1,,,Nuts,3,", "A-1,,,Nuts,3,1"), rules)[0][1] == "row.lines_differ"


def test_some_amounts_may_be_those_of_the_whole_invoice():
    rules = Rules(line_items="addUp", invoice_amounts=frozenset({"grossAmount"}))
    text = HEADER + "".join(line.replace("119.00", "368.90").replace("238.00", "368.90") for line in LINES[:2])
    stored, rejected = read(text + LINES[2].replace("11.90", ""), rules)
    assert rejected == []
    assert amounts(stored["A-1"]) == ("368.90", "310.00", "58.90")
    assert [str(line["net"]) for line in stored["A-1"]["lines"]] == ["100.00", "200.00", "10.00"]
    assert codes(text, rules) == [("grossAmount", "amount.sum")]  # a line is missing


def test_the_amount_of_a_line_may_have_a_column_of_its_own():
    rules = Rules(
        line_items="addUp",
        invoice_amounts=frozenset({"grossAmount", "netAmount", "vatAmount"}),
        aliases={"Price": "lineNet", "Rate": "lineRate", "#": "lineNumber"},
    )
    header = "Invoice No,Date,Vendor,Net,VAT,Total,Currency,#,Description,Price,Rate\n"
    text = f"{header}A-1,2024-05-01,ACME,100.00,19.00,119.00,EUR,1,Bolts,60.00,19\nA-1,,,,,,,2,Nuts,40.00,19\n"
    stored, _ = read(text, rules)
    assert [tuple(map(str, line.values())) for line in stored["A-1"]["lines"]] == [
        ("1", "Bolts", "", "60.00", "19"), ("2", "Nuts", "", "40.00", "19"),
    ]  # fmt: skip
    assert codes(text.replace("40.00", "4x"), rules) == [("lineNet", "amount.not_a_number")]


def test_amounts_of_lines_may_be_derived_each_with_its_rate():
    rules = Rules(line_items="addUp", constants={"currency": "EUR", "supplierName": "ACME"})
    text = "Invoice No,Date,Description,Net,VAT rate\nA-1,2024-05-01,Bolts,100.00,19%\nA-1,,Book,50.00,7\n"
    stored, rejected = read(text, rules)
    assert rejected == []
    assert amounts(stored["A-1"]) == ("172.50", "150.00", "22.50")
    assert (stored["A-1"]["derived"], stored["A-1"].get("extra")) == (["grossAmount", "vatAmount"], None)
    assert [(str(line["net"]), line["rate"]) for line in stored["A-1"]["lines"]] == [("100.00", "19%"), ("50.00", "7")]


def test_what_the_amounts_of_the_invoice_and_of_its_lines_leave_out_is_derived():
    rules = Rules(line_items="addUp", invoice_amounts=frozenset({"grossAmount"}))
    text = "Invoice No,Date,Vendor,Currency,Item,Net,Total\nA-1,2024-05-01,ACME,EUR,x,100.00,178.50\nA-1,,,,y,50.00,\n"
    stored, rejected = read(text, rules)
    assert rejected == []
    assert (amounts(stored["A-1"]), stored["A-1"]["derived"]) == (("178.50", "150.00", "28.50"), ["vatAmount"])


@pytest.mark.parametrize("lines", [("1.00", "149.00"), ("149.00", "1.00"), ("-10.00", "160.00")])
def test_a_line_may_be_small_beside_the_amount_of_the_whole_invoice(lines):
    rules = Rules(line_items="addUp", invoice_amounts=frozenset({"grossAmount"}))
    rows = "".join(f"A-1,2024-05-01,ACME,EUR,x,{net},178.50\n" for net in lines)
    text = f"Invoice No,Date,Vendor,Currency,Item,Net,Total\n{rows}"
    assert amounts(read(text, rules)[0]["A-1"]) == ("178.50", "150.00", "28.50")
    assert codes(text.replace(lines[0], "1x"), rules) == [("netAmount", "amount.not_a_number")]
    assert codes(text.replace("178.50", "1x"), rules) == [("grossAmount", "amount.not_a_number")]
    assert codes(text.replace("178.50", "400.00"), rules) == [("vatAmount", "amount.derived")]


def test_amounts_of_lines_may_be_in_cents():
    rules = Rules(line_items="addUp", minor_units=True, aliases={"Price": "lineNet"})
    text = "Invoice No,Date,Vendor,Currency,Item,Net,VAT,Total,Price\nA-1,2024-05-01,ACME,EUR,x,100,19,119,100\n"
    stored, _ = read(text + "A-1,,,,y,200,38,238,200\n", rules)
    assert amounts(stored["A-1"]) == ("3.57", "3.00", "0.57")
    assert [str(line["net"]) for line in stored["A-1"]["lines"]] == ["1.00", "2.00"]


def test_too_many_lines_are_rejected_with_what_follows():
    line = "A-1,2024-05-01,ACME,Bolts,2,1.00,0.19,1.19,EUR,\n"
    stored, rejected = read(HEADER + line * MAX_LINES + OTHER.format(1))
    assert (list(stored), rejected) == (["A-1", "B-1"], [])
    assert len(stored["A-1"]["lines"]) == MAX_LINES
    stored, rejected = read(HEADER + line * (3 * MAX_LINES) + OTHER.format(1), most_rows=100)
    assert list(stored) == ["B-1"]
    [(column, code)] = [(error.column, error.code) for each in rejected for error in each.errors]
    assert (column, code) == (None, "row.too_many_lines")


def test_long_lines_are_not_held():
    line = f"A-1,2024-05-01,ACME,{'x' * 900},2,1.00,0.19,1.19,EUR,{'y' * 900}\n"
    _, [rejected] = read(HEADER + line * 900)
    assert [error.code for error in rejected.errors] == ["row.too_many_lines"]
    assert len(rejected.raw) <= (1 << 20) + 1000


def test_a_file_that_seems_to_be_one_invoice_is_refused():
    line = f"A-1,2024-05-01,ACME,{'x' * 18_000},2,1.00,0.19,1.19,EUR,\n"
    with pytest.raises(FileRejected) as error:
        batches(HEADER + line * 1_000)
    assert error.value.code == "file.invoice_too_large"
    with pytest.raises(FileRejected) as error:
        batches(HEADER + "".join(OTHER.format(n) + "broken,row\n" for n in range(5_000)))
    assert error.value.code == "file.invoice_too_large"


def test_the_rejects_file_has_every_row_and_can_be_corrected():
    text = HEADER + "".join(LINES).replace("38.00", "38.0x") + OTHER.format(1)
    data = text.encode()
    dialect = detect(data, ADD_UP, complete=True)
    _, [rejected] = read(text)
    file = rejects_header(dialect) + rejects_line(dialect, rejected)
    assert [line.split(",")[0] for line in file.splitlines()] == ['"_row"', '"1"', '"2"', '"3"']
    stored, again = read(file.replace("38.0x", "38.00"))
    assert again == []
    assert amounts(stored["A-1"]) == ("368.90", "310.00", "58.90")


def test_totals_between_invoices_are_set_apart():
    text = (
        HEADER + "".join(LINES) + "Total for A-1,,,,,310.00,58.90,368.90,,\n" + OTHER.format(1) + "Total,,,,,1,1,2,,\n"
    )
    found = batches(text)
    assert (sum(batch.set_apart for batch in found), sum(batch.count for batch in found)) == (2, 2)


CONTINUED = Rules(continuation_rows=True)


def test_continuation_rows_add_lines_but_no_amounts():
    text = HEADER + LINES[0] + ",,,Nuts,3,,,,,\n,,,Total Care,1,,,,,\n" + OTHER.format(1)
    stored, rejected = read(text, CONTINUED)
    assert (rejected, list(stored)) == ([], ["A-1", "B-1"])
    assert amounts(stored["A-1"]) == ("119.00", "100.00", "19.00")
    assert [line["text"] for line in stored["A-1"]["lines"]] == ["Bolts", "Nuts", "Total Care"]
    assert codes(text.replace("Nuts,3,,,", "Nuts,3,50.00,,"), CONTINUED) == [("netAmount", "row.lines_differ")]


def test_continuation_rows_may_be_added_up():
    text = HEADER + LINES[0] + LINES[1].replace("A-1,2024-05-01,ACME", ",,")
    stored, _ = read(text, Rules(continuation_rows=True, line_items="addUp"))
    assert amounts(stored["A-1"]) == ("357.00", "300.00", "57.00")


@pytest.mark.parametrize("rules", [Rules(), ADD_UP])
def test_without_the_preset_a_continuation_row_is_rejected_and_names_the_switch(rules):
    _, rejected = read(HEADER + LINES[0] + ",,,Nuts,3,50.00,,,,\n", rules)
    assert "continuationRows" in " ".join(error.message for each in rejected for error in each.errors)
    assert "row.continuation" in [error.code for each in rejected for error in each.errors]


def test_a_continuation_row_without_an_invoice_above_is_rejected():
    _, [rejected, beside] = read(HEADER + ",,,Nuts,3,,,,,\n" + OTHER.format(1), CONTINUED)
    assert [error.code for error in rejected.errors] == ["row.continuation"]
    assert [error.code for error in beside.errors] == ["row.beside_broken"]


words = st.sampled_from(["Bolts", "Nuts, M8", "", "Total", "line\nbreak"])
cents = st.integers(-(10**6), 10**6)
lines = st.lists(st.tuples(words, cents, cents), min_size=1, max_size=8)
invoices = st.lists(st.tuples(st.sampled_from(["ACME", "Bolts & Co", "Öl GmbH"]), lines), min_size=1, max_size=12)
broken = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(['"x"y,z\n', "one,two\n", ",,,,,,,,,n\n"])), max_size=3)


@settings(deadline=None)
@given(invoices, broken, st.booleans(), st.integers(1, 7), st.data())
def test_what_is_stored_is_what_was_written(written, broken_rows, repeats, most_rows, data):
    """With any size of batches, and read on from any batch, the same is stored: whole invoices or nothing of them."""
    rows: list[str] = []
    for number, (supplier, parts) in enumerate(written):
        for at, (text, net, vat) in enumerate(parts):
            head = [f"R-{number}", str(date(2024, 1, 1) + timedelta(number)), supplier]
            shared = head if at == 0 or repeats else [head[0], "", ""]
            values = [Decimal(cents_).scaleb(-2) for cents_ in (net, vat, net + vat)]
            target = io.StringIO(newline="")
            csv.writer(target, lineterminator="\n").writerow(
                [*shared, text, "1", *values, "EUR" if at == 0 else "", ""]
            )
            rows.append(target.getvalue())
    for place, row in broken_rows:
        rows.insert(place % (len(rows) + 1), row)
    text = HEADER + "".join(rows)
    try:
        whole = batches(text)
    except FileRejected:
        return
    found = [(row.offset, row.content) for batch in whole for row in batch.all_rows()]
    for _, document in found:
        parts = written[int(document["invoiceNumber"][2:])][1]
        net, vat = sum(part[1] for part in parts), sum(part[2] for part in parts)
        assert amounts(document) == tuple(str(Decimal(each).scaleb(-2)) for each in (net + vat, net, vat))
        assert [(line["text"], line["net"].to_decimal()) for line in document["lines"]] == [
            (part[0], Decimal(part[1]).scaleb(-2)) for part in parts
        ]
    if not broken_rows:
        assert len(found) == len(written)
    small = batches(text, most_rows=most_rows)
    assert outcomes(small) == outcomes(whole)
    at = data.draw(st.sampled_from(small))
    rest = [batch for batch in small if batch.offset > at.offset]
    assert outcomes(batches(text, offset=at.end, row=at.row)) == outcomes(rest)


def outcomes(found: Iterable[RowBatch]) -> list[object]:
    rows = [row for batch in found for row in batch.all_rows()]
    rejected = [each for batch in found for each in batch.rejected]
    return sorted([*rows, *rejected], key=lambda each: each.offset)


def test_long_invoices_with_many_columns_take_little_memory():
    header = HEADER.strip() + "," + ",".join(f"c{number}" for number in range(900)) + "\n"
    row = "{},2024-05-01,ACME,Bolts,2,1.00,0.19,1.19,EUR," + "," + ",".join(["ab"] * 900) + "\n"
    texts = [
        header + "".join(row.format(f"A-{number // 300}") for number in range(600)),
        header + row.format("A-1") * 900,
        header + "".join(row.format(number) if number % 3 else "broken,row\n" for number in range(600)),
    ]
    for text in texts:
        data = [text[at : at + 65536].encode() for at in range(0, len(text), 65536)]
        dialect = detect(text[:100_000].encode(), ADD_UP, complete=False)
        tracemalloc.start()
        with suppress(FileRejected):
            for _ in read_batches(
                data, dialect, ADD_UP, offset=0, row=0, most_rows=2000, most_bytes=1 << 20, stamp=lambda: STAMP
            ):
                pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 64 << 20


@pytest.mark.parametrize(("status", "is_stored"), [("Moved", True), ("", False), ("Sale", False)])
def test_a_row_without_a_number_is_no_line_if_no_invoice_may_have_its_status(status, is_stored):
    rules = Rules(line_items="addUp", statuses=frozenset({"Sale"}))
    header = HEADER.replace("Notes", "Status")
    sales = [line.replace(",x\n", ",Sale\n") for line in LINES[:2]]
    other = f",2024-05-02,,Pins,1,50.00,9.50,59.50,EUR,{status}\n"
    for text in (header + other + "".join(sales), header + "".join(sales) + other):
        stored, rejected = read(text, rules)
        assert ("A-1" in stored) == is_stored
        assert len(rejected) == (1 if is_stored else 2)
