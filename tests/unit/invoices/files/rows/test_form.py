"""Rows with more or fewer fields than the header are read only where no field can have moved."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mailroom.invoices.files import Rejected, RowParser, Rules, detect, read_records, rejects_header, rejects_line
from mailroom.invoices.model.columns import COLUMNS, ParsedInvoice

HEADER = ",".join(COLUMNS)
ROW = "A-1,2024-01-31,119.00,100.00,19.00,ACME Ltd,1 High St,EUR,open"


def parsed(text: str) -> list[ParsedInvoice | Rejected]:
    data = text.encode()
    dialect = detect(data, Rules(), complete=True)
    parser = RowParser(dialect, Rules())
    return [parser.parse(record) for record in read_records([data], dialect, Rules(), offset=0, row=0)]


def row(number: int, end: str = "1 High St,EUR,open") -> str:
    return f"A-{number},2024-01-31,119.00,100.00,19.00,ACME Ltd,{end}\n"


def refused(text: str) -> bool:
    return all(isinstance(each, Rejected) and each.errors[0].code == "row.field_count" for each in parsed(text))


@pytest.mark.parametrize("ends", [(",", ""), ("", ","), ("", ",,"), (",,", ""), (",", ",")])
def test_a_delimiter_at_the_end_of_rows_or_of_the_header_is_passed_over(ends):
    of_header, of_rows = ends
    rows = [row(1).strip(), row(2, '"1 High St, Ulm",EUR,open').strip()]
    text = "\n".join([HEADER + of_header, *(each + of_rows for each in rows), ""])
    first, second = parsed(text)
    assert (first.status, second.status, second.supplier_address) == ("open", "open", "1 High St, Ulm")
    assert (first.extra, second.extra) == ({}, {})


def test_a_value_behind_the_last_column_is_refused():
    assert refused(f"{HEADER}\n{row(1).strip()},x\n{row(2).strip()},\n")


def test_a_row_without_the_delimiter_that_the_first_rows_end_with_is_refused():
    first = f"{HEADER}\n" + "".join(row(n).strip() + ",\n" for n in range(3))
    dialect = detect(first.encode(), Rules(), complete=False)
    parser = RowParser(dialect, Rules())
    data = f"{first}{row(4)}{row(5).strip()},,\n".encode()
    rows = [parser.parse(record) for record in read_records([data], dialect, Rules(), offset=0, row=0)]
    assert [isinstance(each, Rejected) for each in rows] == [False, False, False, True, True]


# The supplier's name has an unquoted comma, and what belongs into the last column is empty.
SPLIT = "invoiceNumber,invoiceDate,grossAmount,netAmount,vatAmount,currency,supplierName,supplierAddress,Notes"
SPLIT_ROW = "A-{},2024-01-31,119.00,100.00,19.00,EUR,ACME, Ltd,1 High St,\n"


@pytest.mark.parametrize("rows", [1, 20])
def test_a_text_that_an_unquoted_delimiter_splits_is_not_taken_for_a_delimiter_at_the_end(rows):
    assert refused(f"{SPLIT}\n" + "".join(SPLIT_ROW.format(n) for n in range(rows)))


def test_one_row_with_a_further_empty_field_is_refused():
    assert isinstance(parsed(f"{HEADER}\n{row(1)}{row(2).strip()},\n{row(3)}")[1], Rejected)


def test_the_cells_after_the_last_checked_column_may_be_left_out():
    invoices = parsed(f"{HEADER},Notes\n{row(1).strip()},x\n{row(2, '1 High St,EUR')}{row(3).strip()},\n")
    assert [(each.status, each.extra["Notes"]) for each in invoices] == [("open", "x"), ("", ""), ("open", "")]


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n{row(1, '1 High St')}",  # the currency is missing
        f"{HEADER},Notes\n{row(1)}",  # is it the status, or the notes?
        f"{HEADER}\n{row(1)[: -len('open') - 2]}",  # cut off
        f"{SPLIT}\nA-1,2024-01-31,119.00,100.00,19.00,EUR\n",  # the supplier is required
    ],
)
def test_a_shorter_row_is_refused_otherwise(text):
    assert isinstance(parsed(text)[-1], Rejected)


def test_a_shorter_row_whose_fields_moved_is_refused():
    [rejected] = parsed(f"{HEADER}\nA-1,2024-01-31,119.00,100.00,19.00,ACME Ltd,EUR,open\n")  # without an address
    assert [error.code for error in rejected.errors] == ["currency.unknown"]


def excel(full: int, short: int, last: int) -> str:
    """Excel decides about each 16 rows whether their empty cells at the end get delimiters."""
    blocks = [row(n).strip() + ",x\n" for n in range(full)], [row(n) for n in range(short)]
    return f"{HEADER},Notes\n" + "".join([*blocks[0], *blocks[1], *blocks[0], *blocks[1][:last]])


def test_cells_that_excel_leaves_out_are_empty():
    invoices = parsed(excel(15, 32, 3))
    assert len(invoices) == 65
    assert {each.extra["Notes"] for each in invoices} == {"x", ""}


@pytest.mark.parametrize(("full", "short", "last"), [(15, 15, 0), (16, 1, 0), (16, 16, 0)])
def test_shorter_rows_of_another_program_are_refused(full, short, last):
    text = excel(full, short, last)
    if (short, last) == (16, 0):
        text = text.replace("A-3,2024-01-31,119.00,100.00,19.00,ACME Ltd,1 High St,EUR,open\n", "A-3,x\n", 1)
    assert sum(isinstance(each, Rejected) for each in parsed(text)) >= short


@pytest.mark.parametrize(("header", "end"), [(HEADER, ","), (HEADER + ",", "")])
def test_the_rejects_file_of_such_a_file_is_read_again(header, end):
    good = f"{header}\n" + "".join(row(n, '"1 High St, Ulm",EUR,open').strip() + f"{end}\n" for n in range(4))
    bad = good.replace("119.00", "bad", 2)
    data = bad.encode()
    dialect = detect(data, Rules(), complete=True)
    parser = RowParser(dialect, Rules())
    rows = [parser.parse(record) for record in read_records([data], dialect, Rules(), offset=0, row=0)]
    rejected = [each for each in rows if isinstance(each, Rejected)]
    assert len(rejected) == 2
    file = rejects_header(dialect) + "".join(rejects_line(dialect, each) for each in rejected)
    assert parsed(file.replace("bad", "119.00")) == parsed(good)[:2]


names = st.sampled_from(["ACME", "ACME, Ltd", "ACME;", "A"])
cells = st.sampled_from(["", "x", "x, y", "EUR", "119.00"])


@given(
    st.permutations([*COLUMNS, "Notes", "More"]),
    st.lists(st.tuples(names, cells, cells, cells, cells), min_size=1, max_size=20),
    st.sampled_from(["quoted", "unquoted", "trimmed", "trailing", "trailing unquoted", "dropped"]),
)
def test_what_is_read_is_what_was_written(columns, rows, way):
    """Programs that quote texts or do not, that end rows with a delimiter, or leave empty cells out, also inside."""
    text = ",".join(columns) + "\n"
    for number, (name, address, status, notes, more) in enumerate(rows):
        known = (f"A-{number}", "2024-01-31", "119.00", "100.00", "19.00", name, address, "EUR", status)
        values = dict(zip(COLUMNS, known, strict=True)) | {"Notes": notes, "More": more}
        cells_ = [values[column] for column in columns]
        if way == "trimmed":
            while not cells_[-1]:
                cells_.pop()
        if way == "dropped":
            cells_ = [cell for cell in cells_ if cell]
            assume(not {"EUR", "119.00"} & {address, status, notes, more})
        quote = way in ("quoted", "trimmed", "trailing", "dropped")
        text += ",".join(f'"{cell}"' if quote and "," in cell else cell for cell in cells_)
        text += ",\n" if way.startswith("trailing") else "\n"
    for each in parsed(text):
        if isinstance(each, Rejected):
            continue
        name, address, status, notes, more = rows[int(each.invoice_number[2:])]
        assert (each.supplier_name, each.supplier_address, each.status) == (name, address, status), way
        assert {name: value for name, value in each.extra.items() if value} == {
            name: value for name, value in {"Notes": notes, "More": more}.items() if value
        }, way
