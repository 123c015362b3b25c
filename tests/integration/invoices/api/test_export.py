"""Exports: every format, every filter, in constant memory, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from itertools import islice

import pytest
from bson import Decimal128

from mailroom.invoices.api.export_formats import FORMATS, chunks
from mailroom.invoices.api.parameters import SORTS
from mailroom.invoices.app import LONG_CALLS_AT_ONCE
from mailroom.invoices.files import Rules, content, detect, read_records
from mailroom.invoices.model.columns import COLUMNS
from mailroom.invoices.views import export as views
from mailroom.invoices.views.export import Export
from mailroom.platform.clock import Budget
from mailroom.platform.keyset import Order
from tests.integration.conftest import document
from tests.support.client import Client


@pytest.fixture
def filled(put, client: Client) -> Client:
    put(
        document("A1", day="2024-01-01", gross="-50.00"),
        document("A2", day="2024-01-02", supplier="=SUM(A1)"),
        document("A3", day="2024-01-03", status="paid", supplier='Says "Hi", Ltd'),
    )
    return client


def rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def test_a_csv_has_the_columns_of_an_import(filled: Client):
    answer = filled.get("/export", sort="invoiceDate")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "invoices.csv" in answer.headers["Content-Disposition"]
    found = rows(answer.body)
    assert tuple(found[0]) == (*COLUMNS, "_decimal_mark=.", "_guard=apostrophe")
    assert [each["invoiceNumber"] for each in found] == ["A1", "A2", "A3"]
    assert (found[0]["grossAmount"], found[1]["supplierName"]) == ("-50.00", "'=SUM(A1)")
    assert found[2]["supplierName"] == 'Says "Hi", Ltd'


def test_a_csv_with_all_columns_has_what_was_derived_the_lines_and_further_columns(put, client: Client):
    line = {"number": "1", "text": "Bolts", "quantity": "2", "net": Decimal128("50.00"), "rate": "19"}
    put(document("A1") | {"derived": ["vatAmount"], "lines": [line], "extra": {"Cost centre": "=1"}})
    (found,) = rows(client.get("/export", columns="all").body)
    assert json.loads(found["_derived"]) == ["vatAmount"]
    assert json.loads(found["_lines"]) == client.get("/").json()["items"][0]["lines"]
    assert json.loads(found["_extra"]) == {"Cost centre": "=1"}
    assert tuple(rows(client.get("/export").body)[0])[: len(COLUMNS) + 1] == (*COLUMNS, "_decimal_mark=.")


def test_an_export_with_all_columns_can_be_uploaded_again(put, client: Client):
    put(document("A1") | {"derived": ["vatAmount"], "extra": {"Cost centre": "7"}})
    body = client.get("/export", columns="all").body
    dialect = detect(body, Rules(), complete=True)
    assert [column for column in dialect.columns if column] == list(COLUMNS)


def test_no_text_is_run_as_a_formula_and_numbers_stay(put, client: Client):
    put(document("A1", gross="-50.00", supplier="x;=cmd|'/C calc'!A0") | {"supplierAddress": "Weg 1\n@SUM(1)"})
    body = client.get("/export").body.decode("utf-8-sig")
    assert '"-50.00",' in body
    assert '"x;\'=cmd|\'/C calc\'!A0","Weg 1\n\'@SUM(1)","EUR"' in body
    listed = client.get("/").json()["items"][0]
    assert (listed["supplierName"], listed["supplierAddress"]) == ("x;=cmd|'/C calc'!A0", "Weg 1\n@SUM(1)")


def test_json_and_ndjson_hold_what_a_list_holds(filled: Client):
    listed = filled.get("/").json()
    assert filled.get("/export", format="json").json() == listed
    *lines, end = filled.get("/export", format="ndjson").body.splitlines()
    assert [json.loads(line) for line in lines] == listed["items"]
    assert json.loads(end) == {"nextCursor": None}


@pytest.mark.parametrize("name", FORMATS)
def test_filters_apply_and_an_empty_export_is_a_whole_file(filled: Client, name: str):
    assert b"A3" in filled.get("/export", format=name, status="paid").body
    assert b"A1" not in filled.get("/export", format=name, status="paid").body
    empty = filled.get("/export", format=name, status="nothing").body
    if name == "csv":
        assert rows(empty) == []
        assert empty.decode("utf-8-sig").startswith('"invoiceNumber",')
    else:
        assert empty == (b'{"nextCursor":null}\n' if name == "ndjson" else b'{"items":[],"nextCursor":null}')


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"format": "xlsx"}, "format"),
        ({"columns": "few"}, "columns"),
        ({"limit": "5"}, "limit"),
        ({"status": "a", "currency": "EUR"}, "currency"),
    ],
)
def test_an_unknown_format_or_parameter_is_refused_by_name(client: Client, query: dict[str, str], field: str):
    answer = client.get("/export", **query)
    assert (answer.status, answer.json()["field"]) == (422, field)


def test_an_export_is_compressed_while_it_is_sent(filled: Client):
    answer = filled.get("/export", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.body) == filled.get("/export").body


def test_head_reads_nothing(filled: Client):
    answer = filled.call("HEAD", "/export")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("name", FORMATS)
def test_memory_does_not_grow_with_the_file(name: str):
    one = document("1")
    _, write = FORMATS[name]

    def peak(count: int) -> int:
        tracemalloc.start()
        export = Export((one for _ in range(count)), Order("invoiceDate"), Budget(60))
        total = sum(len(chunk) for chunk in chunks(write(export, first=True)))
        assert total > count * 50
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2000)  # made once
    assert peak(20_000) < peak(2000) * 1.1


def test_an_export_is_read_in_batches_and_abandoned_without_harm(filled: Client, put):
    put(*(document(f"B{n}") for n in range(1200)))
    stream = filled.stream("/export", format="ndjson")
    assert len(list(islice(stream.response, 2))) == 2
    stream.close()
    assert filled.get("/export", format="ndjson").body.count(b"\n") == 1204


def parts_of(name: str, body: bytes) -> tuple[list[str], str | None]:
    """The numbers of a file's invoices, and the next cursor. Fails for a file that was cut off."""
    if name == "json":
        document = json.loads(body)
        return [each["invoiceNumber"] for each in document["items"]], document["nextCursor"]
    if name == "ndjson":
        *items, end = (json.loads(line) for line in body.splitlines())
        return [each["invoiceNumber"] for each in items], end["nextCursor"]
    *lines, end = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
    assert body.endswith(b"\r\n")
    assert not end or end[0] == "nextCursor"
    return [line[0] for line in lines if line[0] != COLUMNS[0]], end[1] if end else None


@pytest.fixture
def hurried(make_client: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> Client:
    """Gets one invoice per file."""
    monkeypatch.setattr(views, "BATCH", 1)
    return make_client(export_seconds=0.0)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("name", FORMATS)
def test_an_export_that_takes_too_long_ends_in_time_and_continues_by_cursor(filled: Client, hurried, put, name, sort):
    whole, none = parts_of(name, filled.get("/export", format=name, sort=sort).body)
    assert none is None
    found: list[str] = []
    more: dict[str, str] = {}
    while True:
        answer = hurried.get("/export", format=name, sort=sort, **more)
        assert (b'"invoiceNumber","invoiceDate"' in answer.body) == (name == "csv" and not more)
        numbers, cursor = parts_of(name, answer.body)
        assert len(numbers) == 1
        found += numbers
        if len(found) == 1:
            put(document("B1", day="2023-12-31" if sort == "invoiceDate" else "2024-01-09", supplier="Late"))
        if cursor is None:
            break
        more = {"cursor": cursor}
    assert [number for number in found if number != "B1"] == whole


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_cut_off_at_any_byte_is_noticed(filled: Client, hurried: Client, name: str):
    whole, piece = (client.get("/export", format=name).body for client in (filled, hurried))
    for body in (whole, piece):
        told = parts_of(name, body)
        for end in range(len(body)):
            try:
                cut = parts_of(name, body[:end])
            except (ValueError, KeyError, AssertionError, csv.Error):
                continue
            assert cut == told, f"cut at {end}, taken for whole"  # of JSON lines, the last line end may be missing


def test_a_cursor_of_another_sort_is_refused(filled: Client, hurried: Client):
    _, cursor = parts_of("json", hurried.get("/export", format="json").body)
    for sort, value in (("updatedAt", cursor), ("invoiceDate", "x")):
        answer = filled.get("/export", sort=sort, cursor=value)
        assert (answer.status, answer.json()["field"]) == (422, "cursor")


def test_the_last_line_of_an_export_is_no_row_when_uploaded(filled: Client):
    body, rules = filled.get("/export").body, Rules()
    dialect = detect(body, rules, complete=True)
    rows = list(read_records(content([body], dialect), dialect, rules, offset=0, row=0))
    assert [row.fields[0] for row in rows] == ["A3", "A2", "A1"]


def test_slow_readers_leave_threads_for_others(filled: Client):
    readers = [filled.stream("/export") for _ in range(LONG_CALLS_AT_ONCE)]
    refused = filled.get("/export")
    assert (refused.status, refused.json()["code"]) == (503, "stream.busy")
    assert refused.headers["Retry-After"]
    assert filled.get("/").status == 200
    readers.pop().close()
    assert filled.call("HEAD", "/export").status == 200  # takes a slot and frees it
    assert filled.get("/export", sort="nonsense").status == 422  # as does what is refused
    assert filled.get("/export", headers={"Accept-Encoding": "gzip"}).status == 200
    assert filled.get("/export").status == 200
    assert filled.get("/export").status == 200
