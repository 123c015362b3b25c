"""Exports: every format, every filter, in constant memory, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from itertools import islice

import pytest

from mailroom.invoices.export import FORMATS, chunks, safe_cell
from mailroom.invoices.parsing.model import COLUMNS
from tests.integration.api.conftest import Client, document
from tests.integration.invoices.files import Call


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
    assert tuple(found[0]) == COLUMNS
    assert [each["invoiceNumber"] for each in found] == ["A1", "A2", "A3"]
    assert (found[0]["grossAmount"], found[1]["supplierName"]) == ("-50.00", "'=SUM(A1)")
    assert found[2]["supplierName"] == 'Says "Hi", Ltd'


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30 1234", "'+49 30 1234"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\n=x", "'\n=x"),
        ("＝1", "'＝1"),  # noqa: RUF001
        ("-12.50", "-12.50"),
        ("-7", "-7"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_no_text_is_run_as_a_formula_and_numbers_stay(cell: str, safe: str):
    assert safe_cell(cell) == safe


def test_json_and_ndjson_hold_what_a_list_holds(filled: Client):
    listed = filled.get("/").json()
    assert filled.get("/export", format="json").json() == listed
    lines = filled.get("/export", format="ndjson").body.splitlines()
    assert [json.loads(line) for line in lines] == listed["items"]


@pytest.mark.parametrize("name", FORMATS)
def test_filters_hold_and_nothing_found_is_a_whole_file(filled: Client, name: str):
    assert b"A3" in filled.get("/export", format=name, status="paid").body
    assert b"A1" not in filled.get("/export", format=name, status="paid").body
    empty = filled.get("/export", format=name, status="nothing").body
    if name == "csv":
        assert rows(empty) == []
        assert empty.decode("utf-8-sig").startswith("invoiceNumber,")
    else:
        assert empty == (b"" if name == "ndjson" else b'{"items":[],"nextCursor":null}')


@pytest.mark.parametrize(
    ("query", "field"),
    [({"format": "xlsx"}, "format"), ({"limit": "5"}, "limit"), ({"status": "a", "currency": "EUR"}, "currency")],
)
def test_what_is_not_served_is_refused_by_name(client: Client, query: dict[str, str], field: str):
    answer = client.get("/export", **query)
    assert (answer.status, answer.json()["field"]) == (422, field)


def test_it_is_compressed_as_it_is_sent(filled: Client):
    answer = filled.get("/export", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.body) == filled.get("/export").body


def test_head_reads_nothing(filled: Client):
    answer = filled.call("HEAD", "/export")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("name", FORMATS)
def test_memory_does_not_grow_with_the_file(name: str):
    one = document("1")
    _, parts = FORMATS[name]

    def peak(count: int) -> int:
        tracemalloc.start()
        total = sum(len(chunk) for chunk in chunks(parts(one for _ in range(count))))
        assert total > count * 50
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2000)  # what is made once
    assert peak(20_000) < peak(2000) * 1.1


def test_an_export_is_read_in_batches_and_abandoned_without_harm(filled: Client, put):
    put(*(document(f"B{n}") for n in range(1200)))
    call = Call("GET", "/export", query={"format": "ndjson"}, headers={"Authorization": f"Bearer {filled.key}"})
    stream = filled.api(call)["body"]
    assert len(list(islice(stream, 2))) == 2
    stream.close()
    assert filled.get("/export", format="ndjson").body.count(b"\n") == 1203
