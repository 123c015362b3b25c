"""The fast path gives the same documents as the row-wise path, byte for byte, and the same rejects."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import bson
import pytest
from bson import Decimal128, ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mailroom.invoices.columnar import RowBatch, Stamp, read_batches
from mailroom.invoices.columnar.encoded import INT32_MAX
from mailroom.invoices.files import Dialect, Rejected, RowParser, Rules, read_records
from mailroom.invoices.files.rows.invoice_rows import InvoiceReader
from mailroom.invoices.model.columns import COLUMNS, ParsedInvoice
from mailroom.invoices.model.document import content_of
from mailroom.invoices.model.merge import Row, merge

STAMP = Stamp(ObjectId(), "0189abcdef01 00000000-v%b-1 ", datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC))
DIALECT = Dialect("utf-8", "none", 0, ",", "doubled", "\n", ".", False, "dmy", (), False, COLUMNS, COLUMNS)

AMOUNTS = [
    "119.00",
    "100.00",
    "19.00",
    "-119.00",
    "0.00",
    "-0.00",
    "0.02",
    "119,00",
    "119",
    "119.0",
    "119.000",
    "x",
    "",
]
AMOUNTS += ["x", "", "999999999999999.99", "1000000000000000.00", "1 190.00", "€119.00", "٣.00", "+1.00", "1.190,00"]
AMOUNTS += ["119.0000", "119,000", "1,23,456.00", "11900", "-5", "99999999999999900", "9999999999.99"]
AMOUNTS += ["00100.00", "9999999999999.99", "-99999999999999.99"]
VALUES = {
    "invoiceNumber": [
        "A1",
        "A2",
        " A3",
        "A 4",
        "Ä5",
        "",
        "ﬁ6",
        "x" * 100,
        "x" * 101,
        "a\x07",
        "7\u00a0",
        'a"8',
        "a\\9",
    ],
    "invoiceDate": ["2024-01-31", "2024-02-30", "31.12.2024", "02/03/2024", " 2023-01-01 ", "", "1899-12-31"],
    "grossAmount": AMOUNTS,
    "netAmount": AMOUNTS,
    "vatAmount": AMOUNTS,
    "supplierName": ["Ärger GmbH", "ACME  ltd", " Acme Ltd", "Stra\u00dfe", "A\u0308", "x" * 301, "", "100%", "\ufffd"],
    "supplierAddress": ["", "Weg 1, Köln", "x" * 1001, "a\nb", "a\r\nb", 'say "hi"', "a\u2028b", "a\x85b", "a\x0cb"],
    "currency": ["EUR", "eur ", "JPY", "KWD", "XXX", "", "USD", "Euro", "$", "US$"],
    "status": ["open", "PAID", "", "x" * 51, "ﬀ"],
    "vatRate": ["19", "19%", "7,0 %", "8.8125", "0", "0.19", "0.19 %", "100", "101", "", "x", "x\x07"],
}
VALUES["invoiceDate"] += ["31-Jan-2024", "31. Dez. 23", "31/01/24", "01-02-2024", "24-01-31", "20240131", "31.01.70"]
VALUES["invoiceDate"] += ["2024-01-31 10:15:00", "3101", "30-lis-2024"]
VALUES["invoiceNumber"] += ['a"8', "a\\9", "a\u200b9"]
VALUES["supplierName"] += ["Ac\u202eme", "\u0645\u06cc\u200c\u062e", "\u05d0 (x)\u200f", "\u2615\ufe0f", "x\u200f"]
VALUES["invoiceNumber"] += ["'=1", "O'8", "''-9", "x;'=1"]
VALUES["supplierName"] += ["'=1", "O'Brien", "''+9", "x,'@1"]
VALUES["supplierAddress"] += ["'=1", "'s-Hertogenbosch", "1\n'-2"]
AMOUNTS += ["'-119.00"]
VALUES["status"] += ["'=1", "pa\u2066id", "\u0645\u06cc\u200c\u062e"]
GOOD = ["N1", "2024-05-06", "119.00", "100.00", "19.00", "Acme GmbH", "Weg 1, Köln", "EUR", "open"]
TOLERANCES = st.sampled_from([Decimal("0.02"), Decimal("0.025"), Decimal(0), Decimal(10**20)])
rule_sets = st.builds(
    Rules, statuses=st.sampled_from([frozenset(), frozenset({"Open", "paid"})]), amount_tolerance=TOLERANCES
)


LAYOUTS = [COLUMNS, COLUMNS[::-1], COLUMNS[:6] + COLUMNS[7:8], ("", *COLUMNS), (*COLUMNS, "extra:X")]
LACKING = [
    *(set(lacking) for lacking in ({"vatAmount"}, {"netAmount"}, {"grossAmount"}, {"grossAmount", "vatAmount"})),
    {"netAmount", "vatAmount"},
    {"vatAmount", "currency", "supplierName"},
    {"invoiceDate", "status"},
]
LAYOUTS += [(*(name for name in COLUMNS if name not in lacking), "vatRate", "extra:X") for lacking in LACKING]
LAYOUTS += [tuple(name for name in COLUMNS if name not in lacking) for lacking in LACKING]
CONSTANTS = {
    "invoiceDate": "2024-02-01",
    "supplierName": "Ärger Ltd",
    "supplierAddress": "Weg 2",
    "currency": "USD",
    "status": "paid",
    "vatRate": "19",
}


@st.composite
def dialects(draw: st.DrawFn) -> Dialect:
    columns = draw(st.sampled_from(LAYOUTS))
    constants = draw(st.sets(st.sampled_from(sorted(CONSTANTS))))
    constants |= {"invoiceDate", "supplierName", "currency"}.difference(columns)
    if len({"grossAmount", "netAmount", "vatAmount"}.intersection(columns)) < 2 and "vatRate" not in columns:
        constants |= {"vatRate"}
    amounts = draw(st.sampled_from([{}] * 9 + [{"vatAmount": "0"}]))
    names = draw(st.sampled_from([columns, tuple(name or "_row" for name in columns)]))
    return replace(
        DIALECT,
        encoding=draw(st.sampled_from(["utf-8", "cp1252", "utf-16-le"])),
        content_start=draw(st.sampled_from([0, 4])),
        delimiter=draw(st.sampled_from(",;\t")),
        quoting=draw(st.sampled_from(["doubled", "backslash"])),
        decimal_mark=draw(st.sampled_from([".", ",", ""])),
        date_order=draw(st.sampled_from(["", "dmy", "mdy"])),
        columns=columns,
        names=names,
        guarded=draw(st.booleans()),
        constants={name: CONSTANTS[name] for name in sorted(constants)} | amounts,
        header_currency=draw(st.sampled_from(["", "", "EUR"])),
        minor_units=draw(st.integers(0, 5)) == 0,
        trailing=draw(st.sampled_from([0, 0, 1])),
        short_rows=draw(st.sampled_from([(), (len(columns) - 1,), (len(columns) - 2, len(columns) - 1)])),
        year_pivot=draw(st.sampled_from([70, 20])),
        first_day=draw(st.sampled_from([None, date(2024, 1, 1), date(2023, 7, 1)])),
    )


@st.composite
def files(draw: st.DrawFn, dialect: Dialect) -> bytes:
    """Mostly good rows, some with a strange value, and now and then a line that is no row."""
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    lines = []
    for number in range(draw(st.integers(0, 12))):
        value = dict(zip(COLUMNS, GOOD, strict=True)) | {"invoiceNumber": f"N{number}"}
        if dialect.minor_units:
            value |= {"grossAmount": "11900", "netAmount": "10000", "vatAmount": "1900"}
        value["vatRate"] = draw(st.sampled_from(["19", "7 %"]))
        for column in draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=2)):
            value[column] = draw(st.sampled_from(VALUES[column]))
        fields = [value.get(column, "") for column in dialect.columns] + [""] * dialect.trailing
        fields = fields[: len(fields) - draw(st.sampled_from([0, 0, 0, 1, 2]))]
        quoted = [_quoted(text, dialect, always=draw(st.booleans())) for text in fields]
        odd = [
            "Total",
            "ACME Ltd",
            "",
            " ",
            dialect.delimiter * 8,
            "a",
            '"open',
            '"a"b',
            "\x00",
            "\t",
            dialect.delimiter.join(["x"] * 10),
        ]
        lines.append(draw(st.sampled_from(odd)) if draw(st.integers(0, 7)) == 0 else dialect.delimiter.join(quoted))
    text = end.join(lines) + draw(st.sampled_from(["", end, end * 3]))
    body = text.encode(dialect.encoding, "surrogatepass" if dialect.encoding.startswith("utf") else "replace")
    broken = draw(st.integers(0, 9)) == 0
    return b"head"[: dialect.content_start] + body + (b"\xff\n" if broken else b"")


def _quoted(text: str, dialect: Dialect, *, always: bool) -> str:
    if not always and not any(each in text for each in (dialect.delimiter, '"', "\n", "\r")):
        return text
    return '"' + text.replace('"', '""' if dialect.quoting == "doubled" else '\\"') + '"'


@settings(max_examples=400, deadline=None)
@given(st.data(), dialects(), rule_sets)
def test_batches_equal_the_row_wise_path(data: st.DataObject, dialect: Dialect, rules: Rules) -> None:
    content = data.draw(files(dialect))
    wanted = _row_by_row(content, dialect, rules)
    size, most_rows = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 5))
    most_bytes = data.draw(st.sampled_from([1, 200, 1 << 20]))
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    batches = read_batches(
        chunks, dialect, rules, offset=0, row=0, most_rows=most_rows, most_bytes=most_bytes, stamp=lambda: STAMP
    )
    assert [each for batch in batches for each in outcomes(batch)] == wanted


def test_plain_rows_take_the_fast_path() -> None:
    line = ",".join(f'"{text}"' for text in GOOD).encode() + b"\n"
    (batch,) = _read(line * 3)
    assert batch.encoded is not None
    assert len(batch.encoded) == batch.count == 3
    assert (batch.end, batch.row) == (3 * len(line), 3)


@pytest.mark.parametrize(
    ("text", "number"),
    [("'0042'", "0042"), ("'385/A'", "385/A"), ("'42", "'42"), ("''", "''"), ("'a'b'", "'a'b'"), ("O'Neil", "O'Neil")],
)
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_number_in_apostrophes_is_read_without_them(text: str, number: str, quote: str) -> None:
    cells = [f"{quote}{text}{quote}", *(f'"{each}"' for each in GOOD[1:])]
    (batch,) = _read(",".join(cells).encode() + b"\n")
    assert [row.content["invoiceNumber"] for row in batch.all_rows()] == [number]


@pytest.mark.parametrize("lacking", [{"vatAmount"}, {"netAmount"}, {"grossAmount"}, {"grossAmount", "vatAmount"}])
@pytest.mark.parametrize("minor_units", [False, True])
def test_rows_with_derived_amounts_and_constants_take_the_fast_path(lacking: set[str], *, minor_units: bool) -> None:
    columns = (*(name for name in COLUMNS if name not in {*lacking, "currency"}), "vatRate")
    dialect = replace(
        DIALECT,
        columns=columns,
        names=columns,
        constants={"currency": "EUR"},
        header_currency="EUR",
        minor_units=minor_units,
    )
    value = dict(zip(COLUMNS, GOOD, strict=True)) | {"vatRate": "19"}
    texts = [value[name].replace(".", "") if minor_units else value[name] for name in columns]
    content = (",".join(f'"{text}"' for text in texts) + "\n").encode() * 3
    (batch,) = _read(content, dialect=dialect)
    assert batch.encoded is not None
    assert len(batch.encoded) == 3
    document = bson.decode(batch.encoded.document(0))
    assert [str(document[name]) for name in ("grossAmount", "netAmount", "vatAmount")] == ["119.00", "100.00", "19.00"]
    assert set(document["derived"]) == lacking
    assert document["extra"] == {"vatRate": "19"}
    assert outcomes(batch) == _row_by_row(content, dialect, Rules())


@pytest.mark.parametrize(
    ("name", "text", "refused"),
    [
        ("Type", "Credit note", "amount.sign"),
        ("Type", "Payment", "row.not_invoice"),
        ("Type", "Invoice", ""),
        ("PST", "7.00", "amount.derived"),
        ("PST", "0.00", ""),
    ],
)
def test_what_a_further_column_refuses_is_refused_among_plain_rows(name: str, text: str, refused: str) -> None:
    columns = (*(column for column in COLUMNS if column != "netAmount"), f"extra:{name}")
    names = tuple(column.removeprefix("extra:") for column in columns)
    dialect = replace(DIALECT, columns=columns, names=names)
    value = dict(zip(COLUMNS, GOOD, strict=True))
    rows = [[*(value[column] for column in columns[:-1]), further] for further in ("", text, "")]
    content = "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows).encode()
    (batch,) = _read(content, dialect=dialect)
    assert batch.encoded is not None
    assert len(batch.encoded) == (2 if refused else 3)
    assert [error.code for row in batch.rejected for error in row.errors] == ([refused] if refused else [])
    assert outcomes(batch) == _row_by_row(content, dialect, Rules())


@settings(deadline=None)
@given(st.lists(st.integers(-(10**15) + 1, 10**15 - 1), min_size=1, max_size=200))
def test_large_amounts_are_read_to_the_hundredth(amounts: list[int]) -> None:
    texts = [f"{'-' * (cents < 0)}{abs(cents) // 100}.{abs(cents) % 100:02d}" for cents in amounts]
    content = "".join(f"N1,2024-05-06,{text},{text},0.00,Acme,,EUR,open\n" for text in texts).encode()
    (batch,) = _read(content)
    assert batch.encoded is not None
    found = [bson.decode(batch.encoded.document(at))["grossAmount"] for at in range(len(batch.encoded))]
    assert found == [Decimal128(text) for text in texts]


@pytest.mark.parametrize("offset", [INT32_MAX - 50, INT32_MAX, INT32_MAX + 1])
def test_offsets_beyond_two_gigabytes_are_exact(offset: int) -> None:
    content = b"".join(",".join(f'"{text}"' for text in GOOD).encode() + b"\n" for _ in range(4))
    batches = list(_read(content, offset=offset))
    assert [each for batch in batches for each in outcomes(batch)] == _row_by_row(content, DIALECT, Rules(), offset)


def test_encoded_rows_decode_to_the_rows_to_merge() -> None:
    line = ",".join(f'"{text}"' for text in GOOD).encode() + b"\n"
    (batch,) = _read(line)
    parsed = RowParser(DIALECT, Rules()).parse(next(read_records([line], DIALECT, Rules(), offset=0, row=0)))
    assert batch.all_rows() == [Row(0, 1, f"{STAMP.order_prefix}{0:012x}", content_of(parsed))]


def _read(content: bytes, offset: int = 0, dialect: Dialect = DIALECT) -> Iterator[RowBatch]:
    return read_batches(
        [content],
        dialect,
        Rules(),
        offset=offset,
        row=0,
        most_rows=content.count(b"\n"),
        most_bytes=1 << 20,
        stamp=lambda: STAMP,
    )


def outcomes(batch: RowBatch) -> list[bytes | Rejected]:
    """The inserted document of each valid row, in the order of the file, and the rejected rows."""
    ready = [batch.encoded.document(index) for index in range(len(batch.encoded))] if batch.encoded else []
    found: dict[int, bytes | Rejected] = {bson.decode(each)["source"]["offset"]: each for each in ready}
    found |= {each.offset: _document(each) for each in batch.rows} | {each.offset: each for each in batch.rejected}
    assert batch.count == len(found)
    assert [bson.decode(each)["_id"].binary for each in ready] == (batch.encoded.ids if batch.encoded else [])
    assert b"".join(each for _, _, each in (batch.encoded.portions(900) if batch.encoded else ())) == b"".join(ready)
    return [found[offset] for offset in sorted(found)]


def _row_by_row(content: bytes, dialect: Dialect, rules: Rules, offset: int = 0) -> list[bytes | Rejected]:
    found: list[bytes | Rejected] = []
    for read in InvoiceReader(dialect, rules).read(read_records([content], dialect, rules, offset=offset, row=0)):
        for each in read.rows:
            if isinstance(each.result, ParsedInvoice):
                place = f"{STAMP.order_prefix}{each.offset:012x}"
                found.append(_document(Row(each.offset, each.row, place, content_of(each.result))))
            elif isinstance(each.result, Rejected):
                found.append(each.result)
    return found


def _document(row: Row) -> bytes:
    return bson.encode(merge(None, [row], STAMP.import_id, 0, STAMP.now).document)
