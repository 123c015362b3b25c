"""Previews: what an import would make of a file, read in a process of its own. Nothing is stored."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest

from mailroom.invoices.app import create_app
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, bucket_with, counts, csv, line
from tests.support.client import Client

FINNISH = """Vienti 31.01.2024
Laskun numero;Päiväys;Yhteensä;Veroton;Vero;Toimittaja;Rahayksikkö
A-1;31.01.2024;119,00;100,00;19,00;Acme;EUR
A-2;01.02.2024;1.190,00;1.000,00;190,00;Beta;EUR
A-3;03.02.2024;11,90;10,00;1,90;Beta;EUR
""".encode()


def client_of(services: Services) -> Client:
    key = services.keys.create("test", ["invoices:read", "invoices:write"])
    return Client(create_app(services), key.text, key.id)


@pytest.fixture
def client(services: Services) -> Client:
    return client_of(services)


def preview(client: Client, bucket: Bucket, body: bytes, key: str = "may.csv", **more: Any) -> Any:
    bucket.put(key, body)
    answer = client.call("POST", "/preview", {"bucket": bucket.name, "key": key, **more})
    assert answer.status == 200, answer.json()
    return answer.json()


def targets(found: Any) -> dict[str, Any]:
    return {each["name"]: each["target"] for each in found["mapping"]}


def test_the_rows_are_those_that_an_import_stores(bucket: Bucket, client: Client) -> None:
    body = csv(*(line(number, gross="1.00" if number == 2 else "119.00") for number in range(1, 31)))

    found = preview(client, bucket, body)

    assert found["error"] is None
    assert found["header"] == {"line": 1, "names": HEADER.strip().split(",")}
    assert [each["row"] for each in found["rows"]] == list(range(1, 21))
    assert found["rows"][0]["errors"] == []
    assert found["rows"][1]["invoice"] is None
    assert found["rows"][1]["errors"][0]["code"] == "amount.sum"
    assert found["estimated"] == {"rows": 30, "rejected": 1}
    assert found["missing"] == []
    assert {(each["confidence"], each["reason"]) for each in found["mapping"]} == {(1.0, "name")}
    assert bucket.services.database["imports"].count_documents({}) == 0
    assert bucket.invoices() == []
    job = bucket.import_("may.csv", body)
    assert counts(job) == (30, 29, 0, 0, 0, 1)
    assert {name: value for name, value in job["dialect"].items() if name != "preset"} == found["dialect"]
    [stored] = [each for each in bucket.invoices() if each["invoiceNumber"] == "1"]
    shown = found["rows"][0]["invoice"]
    assert {name: str(stored[name]) for name in ("grossAmount", "supplierName", "currency", "status")} == {
        name: shown[name] for name in ("grossAmount", "supplierName", "currency", "status")
    }


def test_an_unknown_header_gets_a_mapping_that_then_imports_the_file(bucket: Bucket, client: Client) -> None:
    found = preview(client, bucket, FINNISH)

    assert found["error"]["code"] in ("file.not_csv", "header.missing_column")
    assert found["header"]["line"] == 2
    assert found["rows"] == []
    assert targets(found) == {
        "Laskun numero": "invoiceNumber",
        "Päiväys": "invoiceDate",
        "Yhteensä": "grossAmount",
        "Veroton": "netAmount",
        "Vero": "vatAmount",
        "Toimittaja": None,
        "Rahayksikkö": "currency",
    }
    assert all(0 < each["confidence"] < 1 for each in found["mapping"] if each["target"])
    [missing] = found["missing"]
    assert missing["column"] == "supplierName"
    assert "constants" in missing["advice"]

    columns = {name: target for name, target in targets(found).items() if target} | {"Toimittaja": "supplierName"}
    tried = preview(client, bucket, FINNISH, preset={"columns": columns})
    assert (tried["error"], tried["missing"], tried["estimated"]) == (None, [], {"rows": 3, "rejected": 0})
    assert client.call("PUT", "/presets/finnish", {"columns": columns}).status == 201
    named = preview(client, bucket, FINNISH, preset="finnish")
    assert named["preset"] == {"name": "finnish", "version": 1}
    assert named["rows"] == tried["rows"]
    assert {each["reason"] for each in named["mapping"]} == {"preset"}


def test_suggestions_change_no_import(bucket: Bucket, client: Client) -> None:
    preview(client, bucket, FINNISH)
    assert bucket.import_("may.csv", FINNISH)["state"] == "failed"


def test_the_preset_of_the_folder_is_used(bucket: Bucket, client: Client) -> None:
    client.call("PUT", "/presets/us", {"prefix": "us/", "dateOrder": "mdy"})
    body = csv(line(1).replace("2024-01-31", "02/03/2024"))

    assert preview(client, bucket, body)["error"]["code"] == "dialect.ambiguous_date"
    found = preview(client, bucket, body, key="us/may.csv")

    assert found["rows"][0]["invoice"]["invoiceDate"] == "2024-02-03"
    assert found["preset"] == {"name": "us", "version": 1}


def test_wrong_metadata_are_told_beside_the_mapping(bucket: Bucket, client: Client) -> None:
    body = csv(line(1))
    bucket.services.objects.client.put_object(
        bucket.name, "may.csv", io.BytesIO(body), len(body), metadata={"preset": "gone"}
    )
    found = client.call("POST", "/preview", {"bucket": bucket.name, "key": "may.csv"}).json()

    assert (found["error"]["code"], found["rows"]) == ("preset.not_found", [])
    assert targets(found)["invoiceNumber"] == "invoiceNumber"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "file.empty"),
        (b"%PDF-1.7", "file.unsupported_format"),
        (gzip.compress(csv(line(1)))[:-9], "file.gzip_corrupt"),
        (b"PK\x03\x04 xl/ nothing", "file.workbook_corrupt"),
        (b"no columns at all", "file.not_csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_as_an_import_does(
    bucket: Bucket, client: Client, body: bytes, code: str
) -> None:
    assert preview(client, bucket, body)["error"]["code"] == code


def workbook(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_workbooks_and_compressed_files_are_read(bucket: Bucket, client: Client) -> None:
    names, cells = HEADER.strip().split(","), line(1).strip().split(",")
    for body in (workbook([names, cells]), gzip.compress(csv(line(1)))):
        found = preview(client, bucket, body)
        assert (found["error"], found["estimated"]) == (None, {"rows": 1, "rejected": 0})
    unknown = preview(client, bucket, workbook([["Export"], ["Merkki", *names[1:]], cells]))
    assert unknown["error"]["code"] == "header.missing_column"
    assert unknown["header"]["line"] == 2
    assert targets(unknown)["Merkki"] is None


def test_a_large_file_is_read_in_part_and_its_rows_are_estimated(bucket: Bucket, client: Client) -> None:
    rows = [line(number, gross="1.00" if number % 10 == 0 else "119.00") for number in range(40_000)]
    body = csv(*rows)

    found = preview(client, bucket, body)

    assert 38_000 < found["estimated"]["rows"] < 42_000
    assert 3_800 < found["estimated"]["rejected"] < 4_200
    packed = preview(client, bucket, gzip.compress(body))
    assert (packed["error"], packed["estimated"]) == (None, {"rows": None, "rejected": None})


def test_only_the_bucket_of_invoices_is_read(bucket: Bucket, client: Client) -> None:
    def refused(**body: Any) -> tuple[str, str]:
        answer = client.call("POST", "/preview", {"bucket": bucket.name, "key": "may.csv", **body})
        assert answer.status == 422
        return answer.json()["field"], answer.json()["code"]

    assert refused(bucket=bucket.services.settings.rejects_bucket) == ("bucket", "bucket.not_imported")
    assert refused(key="gone.csv") == ("key", "object.not_found")
    bucket.put("may.csv", csv(line(1)))
    assert refused(preset="gone") == ("preset", "preset.not_found")
    assert refused(preset={"encoding": "klingon"}) == ("encoding", "preset.invalid")
    assert client.call("POST", "/preview", {"bucket": bucket.name, "key": "may.csv", "preset": {"x": 1}}).status == 422


def workbook_with_texts(count: int) -> bytes:
    """A workbook whose table of texts, which a reader holds, has so many."""
    name, kind = "xl/sharedStrings.xml", "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    texts = "".join(f"<si><t>{number:0100d}</t></si>" for number in range(count))
    xml = f'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{texts}</sst>'
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook([HEADER.strip().split(",")]))) as source,
        zipfile.ZipFile(target, "w") as made,
    ):
        parts = {part: source.read(part).decode() for part in source.namelist()}
        if name not in parts:
            override = f'<Override PartName="/{name}" ContentType="{kind}"/></Types>'
            parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace("</Types>", override)
        for part, text in (parts | {name: xml}).items():
            made.writestr(part, text, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def test_a_file_that_takes_too_much_memory_is_refused(make_services: Callable[..., Services]) -> None:
    bucket = bucket_with(make_services, preview_memory_mib=64)
    bucket.put("may.xlsx", workbook_with_texts(200_000))

    answer = client_of(bucket.services).call("POST", "/preview", {"bucket": bucket.name, "key": "may.xlsx"})

    assert (answer.status, answer.json()["code"], answer.json()["field"]) == (422, "preview.too_large", "key")


def test_a_file_that_takes_too_long_is_refused(make_services: Callable[..., Services]) -> None:
    bucket = bucket_with(make_services, preview_seconds=0.01)
    bucket.put("may.csv", csv(line(1)))

    answer = client_of(bucket.services).call("POST", "/preview", {"bucket": bucket.name, "key": "may.csv"})

    assert (answer.status, answer.json()["code"], answer.json()["field"]) == (422, "preview.too_slow", "key")


def test_a_replica_makes_two_previews_at_once(bucket: Bucket, client: Client) -> None:
    bucket.put("may.csv", csv(line(1)))
    limit = client.app.extensions["mailroom.invoices"].previewer.limit

    with limit.slot(), limit.slot():
        answer = client.call("POST", "/preview", {"bucket": bucket.name, "key": "may.csv"})

    assert (answer.status, answer.json()["code"], "Retry-After" in answer.headers) == (503, "stream.busy", True)
    assert client.call("POST", "/preview", {"bucket": bucket.name, "key": "may.csv"}).status == 200
