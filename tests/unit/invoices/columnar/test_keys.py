"""The fast scan gives each row the key of the invoice that the row-wise path finds."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mailroom.invoices.columnar import Stamp
from mailroom.invoices.columnar.key_reader import KeyReader, read_keys, read_rows
from mailroom.invoices.columnar.keys import HeldKeys, keys_of
from mailroom.invoices.files import Dialect, Rejected, RowParser, Rules, read_records
from mailroom.invoices.model.columns import COLUMNS
from mailroom.invoices.model.identity import Identity, supplier_key
from tests.unit.invoices.columnar.test_batches import DIALECT, GOOD, dialects, files

STAMP = Stamp(ObjectId(), "0189abcdef01 00000000-v%b-1 ", datetime(2026, 1, 2, tzinfo=UTC))


def identities(content: bytes, dialect: Dialect) -> list[Identity]:
    """Of the rows, as the row-wise path reads them."""
    parser, found = RowParser(dialect, Rules()), []
    for record in read_records([content], dialect, Rules(), offset=0, row=0):
        parsed = parser.parse(record)
        if not isinstance(parsed, Rejected):
            year = parsed.invoice_date.year
            found.append(Identity(supplier_key(parsed.supplier_name), parsed.invoice_number, year))
        elif parsed.identity:
            found.append(parsed.identity)
    return found


def keys(content: bytes, dialect: Dialect, block: int, size: int = 1 << 16) -> list[int]:
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    found = list(read_keys(chunks, dialect, Rules(), STAMP, offset=0, row=0, block=block))
    rows = list(read_records([content], dialect, Rules(), offset=0, row=0))
    if rows:
        assert found[-1].row == rows[-1].row
    return [key for each in found for key in each.keys.to_pylist()]


@settings(max_examples=400, deadline=None)
@given(st.data(), dialects())
def test_no_row_of_an_invoice_is_without_its_key(data: st.DataObject, dialect: Dialect) -> None:
    content = data.draw(files(dialect))
    wanted = Counter(keys_of(identities(content, dialect)).to_pylist())
    block = data.draw(st.sampled_from([1, 100, 300, 1 << 20]))
    found = Counter(keys(content, dialect, block, data.draw(st.integers(1, 300))))
    assert wanted <= found  # a line that is no row may have a key too


ODD_FIELDS = [
    "x",
    "",
    '"x"',
    ' "x"',
    '"x',
    ' "x',
    'x"',
    ' x" ',
    '"x,y"',
    ' "x,y"',
    '"x\ny"',
    ' "x\ny"',
    '""',
    '"a""b"',
    "\\",
    "'1'",
]


@settings(max_examples=800, deadline=None)
@given(st.data(), st.permutations(COLUMNS), st.sampled_from(["doubled", "backslash"]))
def test_quotes_and_spaces_anywhere_hide_no_row(data: st.DataObject, columns: list[str], quoting: str) -> None:
    """Rows whose amounts are bad have a key too, so the other fields may be anything."""
    dialect = replace(DIALECT, columns=tuple(columns), names=tuple(columns), quoting=quoting)
    good = {
        "invoiceNumber": ["1", '"2"', " 3", "4 "],
        "invoiceDate": ["2024-01-01"],
        "supplierName": ["Acme", '"B, C"'],
    }
    fields = {column: st.sampled_from(good.get(column, ["y"]) * 8 + ODD_FIELDS) for column in columns}
    lines = data.draw(st.lists(st.tuples(*(fields[column] for column in columns)).map(",".join), max_size=6))
    content = "\n".join(lines).encode()
    wanted = Counter(keys_of(identities(content, dialect)).to_pylist())
    assert wanted <= Counter(keys(content, dialect, data.draw(st.sampled_from([60, 1 << 20]))))


def test_plain_lines_take_the_fast_path_and_agree_with_the_row_wise_path() -> None:
    rows = ([f"N {n % 7}", f"{2020 + n % 3}-05-06", *GOOD[2:5], f"Ärger {n % 2}", *GOOD[6:]] for n in range(50))
    lines = map(",".join, rows)
    content = "\n".join(line.replace("Weg 1, Köln", '"Weg ""1"", Köln"') for line in lines).encode()
    reader = KeyReader(DIALECT, Rules())
    fast = reader._fast(content, content.count(b"\n"), 0, 0, STAMP)
    assert fast is not None
    assert fast.keys.to_pylist() == keys_of(identities(content, DIALECT)).to_pylist()
    assert len(set(fast.keys.to_pylist())) == 42


def test_a_number_in_apostrophes_has_the_key_of_the_number() -> None:
    content = "".join(",".join([number, *GOOD[1:6], "Weg 1", *GOOD[7:]]) + "\n" for number in ("42", "'42'")).encode()
    one, other = keys(content, DIALECT, 1 << 20)
    assert one == other


@pytest.mark.parametrize("numbers", [("1", "10", "1" * 100), ("A", "A\u00e4", "A" * 99), ("12345678", "123456789")])
def test_a_key_does_not_depend_on_the_rows_beside_it(numbers: tuple[str, ...]) -> None:
    all_ = [Identity("acme", number, 2024) for number in numbers]
    assert keys_of(all_).to_pylist() == [keys_of([each])[0].as_py() for each in all_]


def test_repeated_keys_are_found_in_parts() -> None:
    all_ = keys_of([Identity("acme", str(n % 900), 2024) for n in range(1000)])
    whole, parts = HeldKeys(), {}
    whole.add(all_)
    for part, some in whole.parts():
        parts[part] = HeldKeys()
        parts[part].add_bytes(some)
    assert sum(map(len, parts.values())) == 1000
    assert len(parts) > 60
    found = [key for part in parts.values() for key in part.repeated().to_pylist()]
    assert sorted(found) == sorted(whole.repeated().to_pylist())
    assert len(found) == 100


def test_the_rows_of_wanted_keys_come_with_their_numbers_and_offsets() -> None:
    lines = [",".join([f"N{n % 9}", *GOOD[1:]]).replace("Weg 1, Köln", "") + "\n" for n in range(20)]
    content = "".join(lines).encode()
    wanted = keys_of([Identity("acme gmbh", "N4", 2024)])
    found = read_rows([content], DIALECT, Rules(), STAMP, offset=0, row=0, block=300, wanted=wanted)
    rows = [row for each in found for row in each.rows]
    assert [row.row for row in rows] == [5, 14]
    assert [row.offset for row in rows] == [4 * len(lines[0]), 13 * len(lines[0])]
    assert len({row.content for row in rows}) == 1
