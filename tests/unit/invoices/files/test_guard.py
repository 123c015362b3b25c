"""What people open in a spreadsheet is guarded, and comes back exactly as it was."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

import bson
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mailroom.invoices.api.export_formats import chunks, to_csv
from mailroom.invoices.columnar import Stamp, read_batches
from mailroom.invoices.files import (
    Dialect,
    Rejected,
    RowParser,
    Rules,
    detect,
    read_records,
    rejects_header,
    rejects_line,
)
from mailroom.invoices.files.guard import GUARD_NAME, guarded, guarded_line, unguarded
from mailroom.invoices.model.columns import COLUMNS, EXTRA_TEXT, TEXTS, ParsedInvoice, TextRule
from mailroom.invoices.model.document import content_of
from mailroom.invoices.model.merge import Row, merge
from mailroom.invoices.model.texts import read_text
from mailroom.invoices.views.export import Export
from mailroom.platform.clock import Budget
from mailroom.web.paging import Order
from tests.unit.invoices.columnar.test_batches import STAMP
from tests.unit.invoices.files.test_round_trip import ORDERS, Written, invoices, ways

HOSTILE = "=+-@＝＋－＠'\"\\,;|\t\r\n \u00a0\u2009ax1.é"  # noqa: RUF001
DELIMITERS = ",;\t|"

# A number, also where another list separator finds no beginning or end of it: no formula goes on like that.
HARMLESS = re.compile(r'[\s"]*-[0-9][0-9.,]*($|[;\t|"])')
FORMULA = re.compile(r"[\s\"]*[=+\-@＝＋－＠]")  # noqa: RUF001

hostile = st.text(HOSTILE, max_size=30)


def valid(rule: TextRule, least: int = 0) -> st.SearchStrategy[str]:
    return st.text(HOSTILE, min_size=least, max_size=30).filter(lambda text: read_text(text, rule) == text)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ('=HYPERLINK("http://x","y")', '\'=HYPERLINK("http://x","y")'),
        ("+F5", "'+F5"),
        ("@SUM(1)", "'@SUM(1)"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("x;=cmd|'/C calc'!A0", "x;'=cmd|'/C calc'!A0"),
        ("x,@SUM(1)\t+F5|-1+1", "x,'@SUM(1)\t'+F5|'-1+1"),
        ("Weg 1\n=1+1", "Weg 1\n'=1+1"),
        ('x; "=1', "x; \"'=1"),
        ("\u200b=1", "\u200b'=1"),
        ("\t=1", "'\t'=1"),
        ("\rx", "'\rx"),
        ("＝1", "'＝1"),  # noqa: RUF001
        ("'=1", "''=1"),
        ("-12.50", "-12.50"),
        ("-1.190,00", "-1.190,00"),
        ("-", "'-"),
        ("a=b", "a=b"),
        ("Müller - Söhne", "Müller - Söhne"),
        ("'s-Hertogenbosch", "'s-Hertogenbosch"),
        ("O'Brien", "O'Brien"),
        ("", ""),
    ],
)
def test_a_text_that_a_spreadsheet_would_run_is_guarded_and_others_stay(text: str, safe: str) -> None:
    assert guarded(text) == safe
    assert unguarded(safe) == text


@settings(max_examples=500)
@given(hostile | st.text())
def test_the_guard_is_taken_off_exactly(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert guarded(text) == text or guarded(guarded(text)) != guarded(text)


@settings(max_examples=500)
@given(st.lists(hostile, min_size=1, max_size=4), st.sampled_from(DELIMITERS))
@example([";", "-0.01", "0.00"], "\t")
def test_no_cell_is_a_formula_whatever_the_list_separator_is(texts: list[str], delimiter: str) -> None:
    line = guarded_line(["1", *texts], delimiter, "\r\n")
    for separator in DELIMITERS:
        for cell in spreadsheet(line, separator):
            assert not FORMULA.match(cell) or HARMLESS.match(cell), (line, separator, cell)


def spreadsheet(text: str, separator: str) -> list[str]:
    """All cells as a spreadsheet sees them, which takes any text for CSV."""
    return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]


def hostile_invoices() -> st.SearchStrategy[ParsedInvoice]:
    def with_texts(invoice: ParsedInvoice, number: str, supplier: str, address: str, status: str) -> ParsedInvoice:
        return replace(invoice, invoice_number=number, supplier_name=supplier, supplier_address=address, status=status)

    return st.builds(
        with_texts,
        invoices(),
        valid(TEXTS["invoiceNumber"], 1),
        valid(TEXTS["supplierName"], 1),
        valid(TEXTS["supplierAddress"]),
        valid(TEXTS["status"]),
    )


def exported(written: Iterable[ParsedInvoice]) -> bytes:
    documents = [
        merge(None, [Row(0, 1, "", content_of(invoice))], STAMP.import_id, 0, STAMP.now).document for invoice in written
    ]
    export = Export((each for each in documents if each), Order("invoiceDate"), Budget(60))
    return b"".join(chunks(to_csv(export, first=True)))


def read(data: bytes, rules: Rules = Rules()) -> tuple[Dialect, list[ParsedInvoice | Rejected]]:  # noqa: B008
    dialect = detect(data, rules, complete=True)
    return dialect, read_as(dialect, data, rules)


def read_as(dialect: Dialect, data: bytes, rules: Rules) -> list[ParsedInvoice | Rejected]:
    parser = RowParser(dialect, rules)
    return [parser.parse(row) for row in read_records([data], dialect, rules, offset=0, row=0)]


def read_fast(data: bytes, stamp: Stamp = STAMP) -> list[bytes]:
    """The documents of all valid rows, as the importer makes them."""
    dialect = detect(data, Rules(), complete=True)
    batches = read_batches(
        [data], dialect, Rules(), offset=0, row=0, most_rows=8, most_bytes=1 << 20, stamp=lambda: stamp
    )
    return [bson.encode(row.content) for batch in batches for row in batch.all_rows()]


@settings(max_examples=100, deadline=None)
@given(st.lists(hostile_invoices(), min_size=1, max_size=12))
def test_an_export_that_is_uploaded_again_has_the_same_texts(written: list[ParsedInvoice]) -> None:
    data = exported(written)
    assert read(data)[1] == written
    assert read_fast(data) == [bson.encode(content_of(invoice)) for invoice in written]


@settings(max_examples=100, deadline=None)
@given(st.lists(hostile_invoices(), min_size=1, max_size=8), st.sampled_from(DELIMITERS))
def test_an_export_that_a_spreadsheet_saved_anew_has_the_same_texts(
    written: list[ParsedInvoice], separator: str
) -> None:
    assert read(saved_anew(exported(written), ",", separator))[1] == written


def saved_anew(data: bytes, delimiter: str, separator: str) -> bytes:
    """The cells as a spreadsheet with this list separator writes them: quoted only where needed."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter))
    target = io.StringIO(newline="")
    csv.writer(target, delimiter=separator, lineterminator="\r\n").writerows(rows)
    return target.getvalue().encode("utf-8-sig")


@st.composite
def rejected_files(draw: st.DrawFn) -> tuple[bytes, Written, Rules]:
    """Invoices whose status is too long: the file, how it was written, and how it is to be read."""
    written = draw(st.lists(hostile_invoices(), min_size=1, max_size=6))
    way = draw(ways())
    # Without a header, the first row must be right.
    changes = {"encoding": "utf-8-sig", "packed": False, "order": way.order or COLUMNS}
    way = Written(**{**vars(way), **changes, "delimiter": draw(st.sampled_from(",;\t"))})
    order = ORDERS.get(way.date_format, "")
    data = way.file([replace(invoice, status=BAD) for invoice in written])
    return data, way, Rules(date_order=order, decimal_mark=way.mark)  # type: ignore[arg-type]


BAD = "s" * 51


def rejects_file(dialect: Dialect, results: Sequence[ParsedInvoice | Rejected]) -> bytes:
    lines = [rejects_line(dialect, each) for each in results if isinstance(each, Rejected)]
    return (rejects_header(dialect) + "".join(lines)).encode("utf-8-sig")


@settings(max_examples=150, deadline=None)
@given(rejected_files(), st.sampled_from(DELIMITERS))
def test_rejects_that_are_corrected_and_uploaded_have_the_same_texts(
    file: tuple[bytes, Written, Rules], separator: str
) -> None:
    data, way, rules = file
    dialect, results = read(data, rules)
    right = read_as(dialect, data.replace(BAD.encode(), b"open"), rules)
    assume(not any(isinstance(each, Rejected) for each in right))  # else it was taken for a file of another dialect
    once = rejects_file(dialect, results)
    again = rejects_file(*read(once, rules))  # not corrected at first
    for rejects in (once, again):
        assert read(rejects.replace(BAD.encode(), b"open"), rules)[1] == right
        anew = saved_anew(rejects, way.delimiter, separator)
        assert read(anew.replace(BAD.encode(), b"open"), rules)[1] == right
    for cell in spreadsheet(once.decode("utf-8-sig"), separator):
        assert not FORMULA.match(cell) or HARMLESS.match(cell)


@given(valid(EXTRA_TEXT), st.text("=+@a1", min_size=1, max_size=5).map(lambda text: f"={text}x"))
def test_further_columns_keep_their_names_and_texts(text: str, name: str) -> None:
    cells = ["A-1", "2024-01-31", "119.00", "100.00", "19.00", "Acme", "", "EUR", BAD, text]
    target = io.StringIO(newline="")
    csv.writer(target, quoting=csv.QUOTE_ALL).writerows([[*COLUMNS, name], cells])
    data = target.getvalue().encode("utf-8-sig")
    dialect, results = read(data)
    rejects = rejects_file(dialect, results)
    (invoice,) = read(rejects.replace(BAD.encode(), b"open"))[1]
    assert [invoice] == read_as(dialect, data.replace(BAD.encode(), b"open"), Rules())
    assert isinstance(invoice, ParsedInvoice)
    assert set(invoice.extra) == {name}
    for cell in spreadsheet(rejects.decode("utf-8-sig"), ";"):
        assert not FORMULA.match(cell)


def test_the_reasons_are_guarded_too() -> None:
    data = f"{','.join(COLUMNS)}\nA-1,2024-01-31,119.00,100.00,19.00,Acme,,=cmd|' /C calc'!A0,open\n".encode()
    rejects = rejects_file(*read(data)).decode("utf-8-sig")
    assert "'=cmd" in rejects
    for separator in DELIMITERS:
        assert not any(FORMULA.match(cell) for cell in spreadsheet(rejects, separator))


def test_a_file_without_the_mark_keeps_its_apostrophes() -> None:
    """A file of other origin, an export or a rejects file of an earlier version."""
    row = "A-1,2024-01-31,119.00,100.00,19.00,'=Acme,'+49,EUR,open"
    earlier = f'7,99,status,text.too_long,"51 characters, at most 50 are kept.",{row}'
    for data in (
        f"{','.join(COLUMNS)}\n{row}\n",
        f"{','.join(COLUMNS)},_decimal_mark=.\n{row},\n",
        f"_row,_offset,_column,_code,_message,{','.join(COLUMNS)}\n{earlier}\n",
    ):
        (invoice,) = read(data.encode())[1]
        assert isinstance(invoice, ParsedInvoice)
        assert (invoice.supplier_name, invoice.supplier_address) == ("'=Acme", "'+49")


def test_an_amount_with_a_guard_is_read() -> None:
    header = ",".join((*COLUMNS, GUARD_NAME))
    (invoice,) = read(f"{header}\nA-1,2024-01-31,'-€119.00,-100.00,'-19.00,Acme,,EUR,open,\n".encode())[1]
    assert isinstance(invoice, ParsedInvoice)
    assert invoice.gross_amount == Decimal("-119.00")


def test_guards_are_found_in_linear_time() -> None:
    for text in (";" + " " * 200_000, "'" * 200_000, (";" + "'" * 400) * 500, ";" * 200_000, (" " * 400 + ";") * 500):
        assert unguarded(guarded(text + "=")) == text + "="
