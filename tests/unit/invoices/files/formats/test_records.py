import gzip
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mailroom.invoices.files import (
    Dialect,
    FileRejected,
    Malformed,
    Record,
    Rejected,
    RowParser,
    Rules,
    content,
    decompress,
    detect,
    read_records,
)
from mailroom.invoices.files.formats import records
from mailroom.invoices.files.formats.lines import without_first
from mailroom.invoices.model.columns import COLUMNS, ParsedInvoice

RULES = Rules()
PLAIN = Dialect("utf-8", "none", 0, ",", "doubled", "\n", ".", False, "", (), False, COLUMNS, COLUMNS)


def read(data: bytes, dialect: Dialect = PLAIN, rules: Rules = RULES) -> list[Record | Malformed]:
    return list(read_records([data], dialect, rules, offset=0, row=0))


def brief(rows: list[Record | Malformed]) -> list[object]:
    return [row.fields if isinstance(row, Record) else row.error.code for row in rows]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16-le", "utf-16-be"])
def test_ends_are_exact(end, encoding):
    dialect = replace(PLAIN, encoding=encoding)
    text = end.join(["ä,1", "", f'b,"x{end}y ""z"""', " , ", "c,€", "d,"])
    rows = read(text.encode(encoding), dialect)
    assert brief(rows) == [["ä", "1"], ["b", f'x{end}y "z"'], ["c", "€"], ["d", ""]]
    assert [row.row for row in rows] == [1, 2, 3, 4]
    ends = [text.index(raw) + len(raw) for raw in (f"1{end}", f'"""{end}', f"€{end}", "d,")]
    assert [row.end for row in rows] == [len(text[:at].encode(encoding)) for at in ends]


def test_a_lone_quote_costs_one_row_only():
    rows = read(b'a,"b,c\nd,"e",f\ng,h,i\n')
    assert brief(rows) == ["row.unterminated_quote", ["d", "e", "f"], ["g", "h", "i"]]
    assert [(row.offset, row.end) for row in rows] == [(0, 7), (7, 15), (15, 21)]


def test_a_quote_that_never_closes_costs_one_row_only():
    rows = read(b'1,"b\n' + b"x,y\n" * 3000)
    assert rows[0].raw == '1,"b'
    assert len(rows) == 3001


def test_text_after_a_quoted_field_is_malformed():
    assert brief(read(b'a,"b"c\nd,e\n')) == ["row.quoting", ["d", "e"]]


def test_undecodable_bytes_cost_one_row_only():
    rows = read(b"a,\xe4\nb,c\n")
    assert brief(rows) == ["row.encoding", ["b", "c"]]
    utf16 = replace(PLAIN, encoding="utf-16-le")
    lone = "a,b\nc,\ud800\nd,e".encode("utf-16-le", "surrogatepass")
    assert brief(read(lone, utf16)) == [["a", "b"], "row.encoding", ["d", "e"]]
    torn = read("a,b".encode("utf-16-le") + b"\n", utf16)
    assert (brief(torn), torn[0].end) == (["row.encoding"], 7)


def test_a_line_of_100_megabytes_does_not_fill_memory():
    def chunks():
        yield b"a,b\n"
        for _ in range(1600):
            yield b"x" * 65536
        yield b"\nc,d\n"

    tracemalloc.start()
    rows = list(read_records(chunks(), PLAIN, RULES, offset=0, row=0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert brief(rows) == [["a", "b"], "row.too_large", ["c", "d"]]
    assert rows[1].end == 4 + 1600 * 65536 + 1
    assert peak < 8 << 20


def test_many_gzip_members_are_read_also_after_a_skip():
    packed = gzip.compress(b"a,b\n") + gzip.compress(b"c,d\n" * 300_000) + b"\0" * 16
    dialect = replace(PLAIN, compression="gzip")
    pieces = [packed[i : i + 7] for i in range(0, len(packed), 7)]
    assert b"".join(without_first(content(pieces, dialect), 2)) == b"b\n" + b"c,d\n" * 300_000


def test_a_gzip_bomb_is_refused_early():
    bomb = gzip.compress(b"a" * (96 << 20))
    taken: list[int] = []
    with pytest.raises(FileRejected, match=r"file\.too_large"):
        taken.extend(map(len, decompress([bomb])))
    assert sum(taken) < 65 << 20


EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"
HEADER_WITH_NAME = b"\x1f\x8b\x08\x08" + b"\0" * 6


@pytest.mark.parametrize(
    "more",
    [
        gzip.compress(b"") * 200_000,
        HEADER_WITH_NAME + b"x" * (3 << 20),
        gzip.compress(b"")[:10] + EMPTY_BLOCK * 600_000,
        b"\0" * (3 << 20),
        gzip.compress(b"a") * 100_000,
    ],
    ids=["empty members", "a name without end", "empty blocks", "padding", "members of one byte"],
)
def test_gzip_data_without_content_is_refused(more: bytes):
    with pytest.raises(FileRejected, match=r"file\.too_large"):
        list(decompress([gzip.compress(b"a,b\n"), more]))


def test_a_gzip_member_for_each_row_is_fine():
    rows = [b"B-%d,2024-01-02,119.00,100.00,19.00,Acme,EUR\n" % number for number in range(60_000)]
    assert b"".join(decompress([b"".join(map(gzip.compress, rows))])) == b"".join(rows)


def test_a_caller_is_asked_while_gzip_data_gives_no_content():
    blocks = list(decompress([gzip.compress(b"a,b\n") + gzip.compress(b"") * 40_000]))
    assert len(blocks) > 40
    assert b"".join(blocks) == b"a,b\n"


FRAGMENTS = st.sampled_from([",", ";", '"', '""', "\\", "\n", "\r", "\r\n", "a", "ä", "€", "😀", "\x00", "1", " "])


@given(
    st.lists(FRAGMENTS, max_size=60).map("".join),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]),
    st.sampled_from(["doubled", "backslash"]),
    st.integers(1, 9),
    st.sampled_from([16, 1 << 20]),
)
@settings(max_examples=300, deadline=None)
def test_reading_resumes_at_every_end_whatever_the_chunks(text, encoding, quoting, step, limit):
    data, rules = text.encode(encoding), Rules(max_record_bytes=limit)
    dialect = replace(PLAIN, encoding=encoding, quoting=quoting)
    whole = read(data, dialect, rules)
    chunks = [data[i : i + step] for i in range(0, len(data), step)]
    assert list(read_records(chunks, dialect, rules, offset=0, row=0)) == whole
    assert [row.row for row in whole] == list(range(1, len(whole) + 1))
    for index, row in enumerate(whole):
        rest = read_records([data[row.end :]], dialect, rules, offset=row.end, row=row.row)
        assert list(rest) == whole[index + 1 :]
        start = whole[index - 1].end if index else 0
        assert start <= row.offset < row.end <= len(data)


FIRST_LINE = ",".join(COLUMNS).encode() + b"\n"


@given(st.sampled_from([b"", FIRST_LINE, FIRST_LINE.replace(b",", b";")]), st.binary(max_size=300), st.booleans())
@settings(max_examples=500, deadline=None)
def test_any_bytes_end_as_rows_or_a_refusal(beginning, noise, packed):
    data = gzip.compress(beginning + noise) if packed else beginning + noise
    with suppress(FileRejected):
        dialect = detect(data, RULES, complete=True)
        parser = RowParser(dialect, RULES)
        records = list(read_records(content([data], dialect), dialect, RULES, offset=0, row=0))
        assert all(isinstance(parser.parse(record), ParsedInvoice | Rejected) for record in records)


def test_endless_blank_rows_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(records, "MAX_BLANK_BYTES", 10)
    assert [row.row for row in read(b"1\n" + b"\n" * 10 + b"2\n" + b"\n" * 10)] == [1, 2]
    with pytest.raises(FileRejected, match=r"file\.blank"):
        read(b"1\n" + b"\n" * 11)
