"""Exports of known programs are uploaded as they are, imported, and listed as their samples say."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from mailroom.invoices.app import create_app
from mailroom.invoices.files.headers.programs import programs
from mailroom.services import Services
from tests.integration.invoices.files import Bucket
from tests.support.client import Client

SAMPLES = Path(__file__).parents[2] / "samples" / "programs"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.csv"))
FIELDS = ("invoiceNumber", "invoiceDate", "grossAmount", "netAmount", "vatAmount", "supplierName", "currency", "status")


@pytest.fixture
def client(services: Services) -> Client:
    key = services.keys.create("test", ["invoices:read", "invoices:write"])
    return Client(create_app(services), key.text, key.id)


def expected(name: str) -> dict[str, Any]:
    return json.loads((SAMPLES / f"{name}.json").read_text())  # type: ignore[no-any-return]


def by_number(invoice: dict[str, Any]) -> str:
    return str(invoice["invoiceNumber"])


def test_the_exports_of_all_programs_are_imported_and_listed(bucket: Bucket, client: Client) -> None:
    for name in NAMES:
        if "preset" in (result := expected(name)):
            assert client.call("PUT", f"/presets/{name}", result["preset"] | {"prefix": f"{name}/"}).status == 201
        id_ = bucket.import_(f"{name}/may.csv", (SAMPLES / f"{name}.csv").read_bytes())["_id"]
        shown = client.call("GET", f"/imports/{id_}").json()
        assert (shown["state"], shown["error"], shown["dialect"]["program"]) == ("done", None, name)
        assert shown["counts"]["inserted"] == len(result["invoices"])
        assert shown["counts"]["rejected"] == len(result.get("rejected", {}))
        listed = client.call("GET", "/", query={"importId": str(id_), "limit": "100"}).json()["items"]
        found = sorted([{field: each[field] for field in FIELDS} for each in listed], key=by_number)
        assert found == sorted([{field: each[field] for field in FIELDS} for each in result["invoices"]], key=by_number)


def test_a_file_of_which_the_program_leaves_something_open_stores_nothing(bucket: Bucket) -> None:
    for name in NAMES:
        if needs := expected(name).get("needs"):
            job = bucket.import_(f"{name}/may.csv", (SAMPLES / f"{name}.csv").read_bytes())
            assert (job["state"], job["error"]["code"]) == ("failed", "header.missing_column")
            assert all(programs()[name].needs[column] in job["error"]["message"] for column in needs)
    assert bucket.invoices() == []


def test_the_workbook_of_a_program_is_recognised(bucket: Bucket, client: Client) -> None:
    """Akaunting exports workbooks, with the invoices in their first sheet."""
    book = Workbook()
    for row in csv.reader(io.StringIO((SAMPLES / "akaunting.csv").read_text())):
        book.active.append(row)
    book.create_sheet("invoice_items").append(["invoice_number", "item_name"])
    book.save(file := io.BytesIO())
    preset = expected("akaunting")["preset"] | {"prefix": "books/"}
    assert client.call("PUT", "/presets/akaunting", preset).status == 201
    job = bucket.import_("books/invoices.xlsx", file.getvalue())
    assert (job["state"], job["dialect"]["program"]) == ("done", "akaunting")
    assert len(bucket.invoices()) == 2


def test_a_corrected_rejects_file_is_read_as_the_program_was(bucket: Bucket, client: Client) -> None:
    preset = expected("datev")["preset"] | {"prefix": "datev/"}
    assert client.call("PUT", "/presets/datev", preset).status == 201
    job = bucket.import_("datev/may.csv", (SAMPLES / "datev.csv").read_bytes())
    rejects = bucket.rejects(job["rejects"]["key"])
    corrected = rejects.replace(b'"H"', b'"S"') if b'"H"' in rejects else rejects.replace(b";H;", b";S;")
    assert corrected != rejects
    again = bucket.import_("datev/corrected.csv", corrected)
    assert (again["state"], again["error"], again["dialect"]["program"]) == ("done", None, "datev")
    [invoice] = [each for each in bucket.invoices() if each["invoiceNumber"] == "GU-2024-15"]
    assert f"{invoice['invoiceDate']:%Y-%m-%d}" == "2024-07-28"
