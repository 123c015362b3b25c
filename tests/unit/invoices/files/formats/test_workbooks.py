"""Excel workbooks: a sheet as CSV, and what is refused before it fills the memory."""

from __future__ import annotations

import csv
import io
import tracemalloc
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from mailroom.invoices.files import (
    FileRejected,
    RowParser,
    Rules,
    detect,
    held_workbook,
    is_workbook,
    read_records,
    rejects_line,
    sheet_content,
)
from mailroom.invoices.files.formats import sheets
from mailroom.invoices.files.formats.workbooks import MAX_WORKBOOK_BYTES

PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
    '<sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
    'Target="worksheets/sheet1.xml"/></Relationships>',
}


def saved(*rows: Iterable[object]) -> bytes:
    """A workbook as a program writes it, with a second sheet that is ignored."""
    book = Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(list(row))
    book.create_sheet("Notes").append(["not", "this"])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def packed(sheet: str, compression: int = zipfile.ZIP_DEFLATED, **parts: str) -> bytes:
    """A workbook whose first sheet is this XML."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, text in (PARTS | {"xl/worksheets/sheet1.xml": sheet} | parts).items():
            archive.writestr(name, text)
    return target.getvalue()


def sheet(rows: str) -> str:
    name = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<worksheet xmlns="{name}"><sheetData>{rows}</sheetData></worksheet>'


def with_texts(texts: str) -> dict[str, str]:
    """The part of a workbook that has the texts of its cells, and the part that names it."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    types = PARTS["[Content_Types].xml"].replace(
        "</Types>", f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    )
    name = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return {"[Content_Types].xml": types, "xl/sharedStrings.xml": f'<sst xmlns="{name}">{texts}</sst>'}


def read(data: bytes) -> str:
    assert is_workbook(data[:4096])
    return b"".join(sheet_content(held_workbook(iter([data[:100], data[100:]])))).decode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Müller, GmbH", '"Müller, GmbH"'),
        ("two\nlines", '"two\nlines"'),
        ("0042", "0042"),
        (20240001, "20240001"),
        (119, "119"),
        (119.5, "119.5"),
        (0.1 + 0.2, "0.3"),
        (120 * 1.19, "142.8"),
        (-1234567890.12, "-1234567890.12"),
        (1e20, "100000000000000000000"),
        (0.0000001, "0.0000001"),
        (date(2024, 1, 31), "2024-01-31"),
        (datetime.fromisoformat("2024-01-31"), "2024-01-31"),
        (datetime.fromisoformat("2024-01-31 13:05"), "2024-01-31 13:05:00"),
        (True, "TRUE"),
        (None, ""),
    ],
)
def test_a_cell_is_written_as_excel_shows_it(value, text):
    assert read(saved(["x", value, "y"])) == f"x,{text},y\n"


def test_the_first_sheet_counts_and_gaps_are_blank():
    assert read(saved(["a", None, *"cdefgh"], [], ["d"])) == "a,,c,d,e,f,g,h\n\nd,,,,,,,\n"


def test_a_wrong_size_in_the_file_is_not_believed():
    cells = '<row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</v></c></row><row r="2"><c r="B2"><v>3</v></c></row>'
    wrong = sheet(cells).replace("<sheetData>", '<dimension ref="A1:A1"/><sheetData>')
    assert read(packed(wrong)).splitlines() == ["1,2", ",3"]


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (packed(sheet("<row>" + "<c><v>1</v></c>" * 20_000 + "</row>")), "file.too_large", "cells"),
        (packed(sheet('<row><c r="ZZZ1"><v>1</v></c></row>')), "file.too_large", "cells"),
        (packed(sheet(f"<row><c><v>{'1' * (5 << 20)}</v></c></row>")), "file.too_large", "long"),
        (packed(sheet(f"<row spans='{'1' * (6 << 20)}'/>")), "file.too_large", "long"),
        (
            packed(sheet(""), **with_texts("<si/>" * 300_001)),
            "file.too_large",
            "different texts",
        ),
        (packed(sheet(""), **with_texts("<si>" + "<t/>" * 20_001 + "</si>")), "file.too_large", "parts"),
        (packed(sheet(""), **with_texts("<si><t>" + "1" * (5 << 20) + "</t></si>")), "file.too_large", "long"),
        (packed(sheet(""), **{"xl/styles.xml": "<s>" + "<xf/>" * 100_001 + "</s>"}), "file.too_large", "styles"),
        (packed(sheet(""), **{"xl/media/a.bin": " " * (257 << 20)}), "file.too_large", "256 MiB"),
        (b"PK\x03\x04xl/" + b"x" * MAX_WORKBOOK_BYTES, "file.too_large", "16 MiB"),
        (packed(sheet("<row/>" * 1_048_577)), "file.too_large", "beyond 1,048,576"),
        (packed(sheet('<row r="1048577"><c><v>1</v></c></row>')), "file.too_large", "beyond 1,048,576"),
        (packed(sheet(""), **{f"a{n}": "" for n in range(10_000)}), "file.too_large", "10,000 parts"),
        (packed(sheet(""), compression=zipfile.ZIP_LZMA), "file.too_large", "packed"),
        (packed(sheet("<row>")[:-20]), "file.workbook_corrupt", "damaged"),
        (packed(sheet("")[:-20], **{"xl/styles.xml": "<s><"}), "file.workbook_corrupt", "damaged"),
        (saved(["a"])[:-200], "file.workbook_corrupt", "damaged"),
        (packed("").replace(b"xl/workbook.xml", b"xl/workbook.bin"), "file.unsupported_format", "no Excel workbook"),
    ],
    ids=[
        *("cells", "width", "text", "attribute", "strings", "string", "long string", "styles", "unfolded", "size"),
        *("rows", "row number", "entries", "packing", "xml", "xml of styles", "cut", "other"),
    ],
)
def test_a_workbook_that_is_too_large_or_unreadable_is_refused(data, code, says):
    with pytest.raises(FileRejected, match=says) as refused:
        read(data)
    assert refused.value.code == code


def test_a_sheet_with_too_many_elements_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sheets, "_MAX_ELEMENTS", 40_000)
    with pytest.raises(FileRejected, match="40,000 elements"):
        read(packed(sheet(("<row>" + "<c/>" * 1_000 + "</row>") * 50)))


@pytest.mark.slow
def test_rows_are_not_held():
    def peak(rows: int) -> int:
        data = packed(sheet('<row ht="9"><c><v>1</v></c></row>' * rows))
        tracemalloc.start()
        for _ in sheet_content(data):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10)  # loads what is loaded once
    assert peak(300_000) < peak(100_000) + (256 << 10)


def test_a_caller_is_asked_while_a_sheet_gives_no_content():
    blocks = list(sheet_content(packed(sheet("<row/>" * 200_000))))
    assert len(blocks) > 10
    assert sum(map(bool, blocks)) == 2


def test_a_sheet_is_read_as_openpyxl_reads_it():
    styles = Workbook()
    sheet_ = styles.worksheets[0]
    for row in [
        ["a", 1, 2.5, None, True, date(2024, 2, 29), datetime(2024, 2, 29, 1, 2, 3), time(1, 2, 3)],  # noqa: DTZ001
        [timedelta(hours=30), "", " x ", "two\nlines", 1e300, -7, 'a "quote"'],
        [],
        [None, None, "last"],
    ]:
        sheet_.append(row)
    sheet_["B9"] = 60  # rows are missing before it
    target = io.BytesIO()
    styles.save(target)

    found = list(csv.reader(io.StringIO(read(target.getvalue()))))

    expected = load_workbook(target, data_only=True, read_only=True).worksheets[0]
    assert len(found) == 9
    for row, values in zip(found, expected.iter_rows(values_only=True), strict=True):
        assert row == [as_text(value) for value in values][: len(row)]


def as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    if isinstance(value, float):
        return f"{value:.15g}" if value < 1e15 else f"{value:.10f}".rstrip("0").rstrip(".")
    return "" if value is None else str(value)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("<is><t>a</t></is>", "a"),
        ("<is><r><t>a</t></r><r><t>b</t></r></is>", "ab"),
        ("<is><t>a</t><rPh sb='0' eb='1'><t>x</t></rPh></is>", "a"),
        ("<is/>", ""),
        ("<v>no</v>", ""),
    ],
)
def test_texts_inside_a_cell(cell: str, text: str):
    assert read(packed(sheet(f"<row><c t='inlineStr'>{cell}</c><c><v>1</v></c></row>"))) == f"{text},1\n"


def test_entities_do_not_unfold():
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefghi", "bcdefghij", strict=True)
    )
    data = packed(f"{bomb}]>" + sheet("<row><c t='str'><v>&j;</v></c></row>"))
    with pytest.raises(FileRejected):
        read(data)


WORKBOOK = saved(["invoiceNumber", "invoiceDate"], ["A-1", date(2024, 1, 31)], [7, 119.5])


@given(st.integers(0, len(WORKBOOK) - 1), st.binary(min_size=0, max_size=8), st.booleans())
@example(0, b"", True)
def test_damaged_workbooks_are_read_or_refused(at: int, noise: bytes, cut: bool):
    data = WORKBOOK[:at] + noise + (b"" if cut else WORKBOOK[at + len(noise) :])
    with suppress(FileRejected):  # and nothing else
        b"".join(sheet_content(held_workbook(iter([data]))))


def formatted(*cells: tuple[object, str]) -> list[str]:
    book = Workbook()
    for column, (value, number_format) in enumerate(cells, 1):
        book.worksheets[0].cell(1, column, value).number_format = number_format
    target = io.BytesIO()
    book.save(target)
    return next(csv.reader([read(target.getvalue())]))


def test_leading_zeros_are_those_that_excel_shows():
    shown = formatted(
        (42, "00000"), (7, '"RE-"0000'), (3, r"\R\-000"), (2024001, "0000-000"), (42, "0"), (1.5, "000"), (-4, "000"),
        (119.0, "#,##0.00"), (45322, "yyyy-mm-dd"), (5, '"{}"00'),
    )  # fmt: skip
    assert shown == ["00042", "RE-0007", "R-003", "2024001", "42", "1.5", "-4", "119", "2024-01-31", "{}05"]


def test_the_first_visible_sheet_is_read():
    book = Workbook()
    book.worksheets[0].append(["hidden"])
    book.worksheets[0].sheet_state = "hidden"
    book.create_sheet("Secret").append(["very hidden"])
    book.worksheets[1].sheet_state = "veryHidden"
    book.create_sheet("Invoices").append(["shown"])
    book.active = 2
    target = io.BytesIO()
    book.save(target)
    assert read(target.getvalue()) == "shown\n"


def test_a_title_above_the_header_does_not_set_the_width():
    nine = [*"abcdefghi"]
    assert read(saved(["Title"], nine, [1, 2, 3, 4, 5, 6, 7])) == "Title\na,b,c,d,e,f,g,h,i\n1,2,3,4,5,6,7,,\n"


def with_sheets(**states: str) -> bytes:
    """A workbook with a sheet of each name, whose only cell is the name."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, state in states.items():
        sheet_ = book.create_sheet(name)
        sheet_.append([name])
        sheet_.sheet_state = state
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


SHEETS = with_sheets(Secret="hidden", May="visible", June="visible", **{"2024": "visible", "7": "veryHidden"})


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("", "May"), ("June", "June"), (" june ", "June"), ("2", "June"), ("3", "2024"), ("2024", "2024"), ("7", "7"),
     ("secret", "Secret")],
)  # fmt: skip
def test_a_sheet_is_chosen_by_name_or_by_number(wanted, name):
    assert b"".join(sheet_content(SHEETS, ".", wanted)).decode() == f"{name}\n"


@pytest.mark.parametrize("wanted", ["July", "4", "0", "-1", "1.0", "\u0661"])
def test_a_missing_sheet_is_an_error_that_lists_the_sheets(wanted):
    with pytest.raises(FileRejected) as error:
        b"".join(sheet_content(SHEETS, ".", wanted))
    assert error.value.code == "file.sheet_missing"
    for part in (repr(wanted), "1 'May', 2 'June', 3 '2024'", "'Secret' (hidden)", "preset"):
        assert part in error.value.message


def test_rows_of_a_workbook_may_be_shorter_or_wider_than_the_header():
    header = ["Invoice No", "Date", "Gross", "Net", "VAT", "Supplier", "Currency", "Status", "Notes"]
    row = ["A-1", date(2024, 1, 31), 119, 100, 19, "ACME", "EUR"]
    data = saved(["Report", *[""] * 12, "x"], header, row, [*row, "", "", "", ""], [*row, "open", "", "", "x"])
    content = b"".join(sheet_content(data))
    dialect = detect(content, Rules(), complete=True, workbook=True)
    parser = RowParser(dialect, Rules())
    rows = [parser.parse(record) for record in read_records([content], dialect, Rules(), offset=0, row=0)]
    assert [getattr(each, "currency", None) for each in rows] == ["EUR", "EUR", None]
    assert rows[2].errors[0].code == "row.unnamed_value"
    assert 'EUR","open","","","x"' in rejects_line(dialect, rows[2])
