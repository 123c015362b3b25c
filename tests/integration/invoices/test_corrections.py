"""Corrected rows: written as one new file beside the first, and imported as any upload is."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest

from mailroom.invoices.app import create_app
from mailroom.invoices.presets.preset import Preset
from mailroom.invoices.presets.store import Presets
from mailroom.platform.mongo import Document
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, bucket_with, counts, csv, line
from tests.support.client import Answer, Client

BAD = line(2).replace("119.00", "oops")

GERMAN = """Rechnungsnummer;Rechnungsdatum;Brutto;Netto;USt;Lieferant;Währung;Kostenstelle
A-1;31.01.2024;1.190,00;1.000,00;190,00;Müller GmbH;EUR;7
A-2;01/02/2024;1.190;1.000;19O;Müller GmbH;EUR;8
A-3;25/02/2024;119,00;100,00;19,00;Müller GmbH;EUR;9
"""

LINES = "invoiceNumber,invoiceDate,netAmount,vatAmount,supplierName,currency,lineText\n"


def client_of(services: Services) -> Client:
    key = services.keys.create("test", ["invoices:read", "invoices:write"])
    return Client(create_app(services), key.text, key.id)


@pytest.fixture
def client(services: Services) -> Client:
    return client_of(services)


def correct(client: Client, job: Document, *rows: dict[str, Any], key: str = "one", **more: Any) -> Answer:
    body = {"rows": list(rows), **more}
    return client.call("POST", f"/imports/{job['_id']}/corrections", body, headers={"Idempotency-Key": key})


def refusal(answer: Answer) -> tuple[int, str, str | None]:
    found = answer.json()
    return answer.status, found["code"], found.get("field")


def imported(bucket: Bucket, answer: Answer) -> Document:
    """The import of the corrections, after the importer ran."""
    assert answer.status == 201, answer.json()
    assert bucket.run()["statusCode"] == 200
    return bucket.job(answer.json()["importId"])


def amounts(bucket: Bucket) -> dict[str, str]:
    return {each["invoiceNumber"]: str(each["grossAmount"]) for each in bucket.invoices()}


def versions(bucket: Bucket) -> int:
    return len(list(bucket.services.objects.versions(bucket.name)))


def test_a_corrected_row_is_imported_from_a_new_file_beside_the_first(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("acme/may.csv", csv(line(1), BAD, line(3, gross="x")))

    answer = correct(client, job, {"row": 2, "values": {"grossAmount": "119.00"}})

    written = answer.json()
    assert written["bucket"] == bucket.name
    assert written["key"].startswith("acme/may.csv.")
    assert written["rows"] == 1
    assert counts(imported(bucket, answer)) == (1, 1, 0, 0, 0, 0)
    assert amounts(bucket) == {"1": "119.00", "2": "119.00"}


def test_a_row_that_is_still_wrong_is_rejected_again(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(1), BAD))
    again = imported(bucket, correct(client, job, {"row": 2, "values": {"grossAmount": "still"}}))
    assert (again["state"], again["error"]["code"]) == ("failed", "rejects.all")
    found = client.get(f"/imports/{again['_id']}/rejects").json()
    assert [each["key"] for each in found["columns"]] == HEADER.strip().split(",")
    assert found["items"][0]["cells"]["grossAmount"] == "still"
    done = imported(bucket, correct(client, again, {"row": 1, "values": {"grossAmount": "119"}}))
    assert counts(done) == (1, 1, 0, 0, 0, 0)


def test_values_are_read_as_in_the_first_file(bucket: Bucket, client: Client) -> None:
    """Its decimal mark, its order of dates and its header hold, whatever the corrected rows prove."""
    job = bucket.import_("may.csv", GERMAN.encode())
    assert counts(job)[-1] == 1

    done = imported(bucket, correct(client, job, {"row": 2, "values": {"USt": "190"}}))

    assert counts(done) == (1, 1, 0, 0, 0, 0)
    [stored] = [each for each in bucket.invoices() if each["invoiceNumber"] == "A-2"]
    assert (str(stored["grossAmount"]), stored["invoiceDate"].month, stored["extra"]) == (
        "1190.00",
        2,
        {"Kostenstelle": "8"},
    )


def test_a_row_of_a_workbook_is_corrected(bucket: Bucket, client: Client) -> None:
    book = openpyxl.Workbook()
    for row in (HEADER, line(1).replace("119.00", "119.5").replace("19.00", "19.5"), BAD):
        cells = row.strip().split(",")
        book.active.append([float(cell) if cell.replace(".", "").isdigit() else cell for cell in cells])
    held = io.BytesIO()
    book.save(held)
    job = bucket.import_("may.xlsx", held.getvalue())
    assert counts(job)[-1] == 1
    done = imported(bucket, correct(client, job, {"row": 2, "values": {"grossAmount": "119"}}))
    assert (counts(done), amounts(bucket)) == ((1, 1, 0, 0, 0, 0), {"1": "119.50", "2": "119.00"})


def test_a_file_without_a_header_is_corrected_by_our_columns(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", (line(1) + BAD).encode())
    assert counts(imported(bucket, correct(client, job, {"row": 2, "values": {"grossAmount": "119.00"}})))[1] == 1


def test_a_text_that_a_spreadsheet_would_run_comes_through_as_it_is(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(1), BAD))
    values = {"grossAmount": "119.00", "supplierAddress": '=1+1, "a"\n\'b'}
    imported(bucket, correct(client, job, {"row": 2, "values": values}))
    [stored] = [each for each in bucket.invoices() if each["invoiceNumber"] == "2"]
    assert stored["supplierAddress"] == '=1+1, "a"\n\'b'


@pytest.mark.parametrize(
    ("rows", "code", "field"),
    [
        ([{"row": 1, "values": {}}], "correction.unknown_row", "rows[0].row"),
        ([{"row": 2}, {"row": 99}], "correction.unknown_row", "rows[1].row"),
        ([{"row": 2, "values": {"net": "1"}}], "correction.unknown_column", "rows[0].values.net"),
        ([{"row": 2, "values": {"netAmount": 100}}], "correction.type", "rows[0].values.netAmount"),
        ([{"row": 2}, {"row": 2}], "correction.repeated_row", "rows[1].row"),
        ([{"row": 2, "drop": True}], "correction.empty", "rows"),
        ([{"row": 3, "values": {"status": "open"}}], "correction.incomplete", "rows[0].values.invoiceNumber"),
        ([{"row": "2"}], "body.invalid", "rows[0].row"),
        ([], "body.invalid", "rows"),
        ([{"row": 2}] * 1001, "body.invalid", "rows"),
    ],
    ids=range(10),
)
def test_a_correction_that_cannot_be_is_refused_and_writes_nothing(
    bucket: Bucket, client: Client, rows: list[Any], code: str, field: str
) -> None:
    job = bucket.import_("may.csv", csv(line(1), BAD, line(3).replace(",EUR,open", "")))
    assert refusal(correct(client, job, *rows)) == (422, code, field)
    assert versions(bucket) == 1


def test_the_key_is_needed_and_good_for_one_body(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(1), BAD))
    path, body = f"/imports/{job['_id']}/corrections", {"rows": [{"row": 2, "values": {"grossAmount": "119.00"}}]}
    assert refusal(client.call("POST", path, body)) == (422, "idempotency.missing", "Idempotency-Key")
    first = correct(client, job, *body["rows"])
    bucket.run()
    again = correct(client, job, *body["rows"])
    assert (first.status, again.status) == (201, 201)
    assert first.json() == again.json()
    other = correct(client, job, {"row": 2, "values": {"grossAmount": "1.00"}})
    assert refusal(other) == (422, "idempotency.reused", "Idempotency-Key")
    assert versions(bucket) == 2


def test_a_repeat_never_goes_before_what_was_uploaded_meanwhile(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(1), BAD))
    row = {"row": 2, "values": {"grossAmount": "119.00"}}
    imported(bucket, correct(client, job, row))
    bucket.import_("june.csv", csv(line(2, status="paid")))
    assert correct(client, job, row).status == 201
    bucket.compare()
    assert [each["status"] for each in bucket.invoices() if each["invoiceNumber"] == "2"] == ["paid"]


def test_a_repeat_gets_the_first_answer_also_when_the_import_was_undone_meanwhile(
    bucket: Bucket, client: Client
) -> None:
    job = bucket.import_("may.csv", csv(line(1), BAD))
    row = {"row": 2, "values": {"grossAmount": "119.00"}}
    first = correct(client, job, row)
    assert client.call("POST", f"/imports/{job['_id']}/undo", b"").status == 200
    again = correct(client, job, row)
    assert (again.status, again.json()) == (201, first.json())
    assert refusal(correct(client, job, row, key="two")) == (409, "import.state", None)


def test_an_import_of_a_bucket_of_before_is_not_corrected(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(1), BAD))
    bucket.services.database["imports"].update_one({"_id": job["_id"]}, {"$set": {"bucket": "before"}})
    assert refusal(correct(client, job, {"row": 2, "drop": True})) == (422, "bucket.not_imported", None)


def test_a_row_replaces_no_newer_content_unless_asked_to(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(1), BAD))
    bucket.import_("june.csv", csv(line(2, status="paid")))
    row = {"row": 2, "values": {"grossAmount": "119.00"}}
    assert refusal(correct(client, job, row)) == (409, "correction.newer", "rows")
    done = imported(bucket, correct(client, job, row, key="two", overNewer=True))
    assert counts(done) == (1, 0, 1, 0, 0, 0)


def test_rows_of_one_invoice_go_together(bucket: Bucket, client: Client) -> None:
    """Else the corrected row would pass for the whole invoice."""
    differing = [line(2, status="open"), line(2, status="paid")]
    job = bucket.import_("may.csv", csv(line(1), *differing, BAD))
    assert counts(job) == (4, 1, 0, 0, 0, 3)

    answer = correct(client, job, {"row": 4, "values": {"grossAmount": "119.00"}})

    assert answer.json()["rows"] == 3
    assert counts(imported(bucket, answer)) == (3, 0, 0, 0, 0, 3)
    assert set(amounts(bucket)) == {"1"}
    rows = [{"row": 2}, {"row": 3, "values": {"invoiceNumber": "7"}}, {"row": 4, "drop": True}]
    assert counts(imported(bucket, correct(client, job, *rows, key="two"))) == (2, 2, 0, 0, 0, 0)
    assert set(amounts(bucket)) == {"1", "2", "7"}


def test_a_row_that_becomes_one_of_an_invoice_of_the_same_file_is_refused(bucket: Bucket, client: Client) -> None:
    """The first file has imported the other row as a whole invoice, since this one named none."""
    job = bucket.import_("may.csv", csv(line(1), line(1, status="paid").replace("2024-01-31", "2024-02-30")))
    assert counts(job) == (2, 1, 0, 0, 0, 1)
    answer = correct(client, job, {"row": 2, "values": {"invoiceDate": "2024-01-31"}})
    assert refusal(answer) == (422, "correction.differs", "rows")
    same = {"invoiceDate": "2024-01-31", "status": "open"}
    assert counts(imported(bucket, correct(client, job, {"row": 2, "values": same}))) == (1, 0, 0, 1, 0, 0)


def added_up(services: Services, **more: Any) -> None:
    Presets(services.database).save("lines", Preset(prefix="lines/", line_items="addUp", **more), "command")


def row_of(number: str, net: str, text: str) -> str:
    return f"{number},2024-01-31,{net},1.00,Acme,EUR,{text}\n"


def test_lines_of_an_invoice_are_corrected_as_a_whole(bucket: Bucket, client: Client) -> None:
    added_up(bucket.services)
    body = LINES + row_of("A", "10.00", "a") + row_of("B", "1.00", "b") + row_of("B", "x", "c") + row_of("B", "3", "d")
    job = bucket.import_("lines/may.csv", body.encode())
    assert counts(job) == (2, 1, 0, 0, 0, 1)
    items = client.get(f"/imports/{job['_id']}/rejects").json()["items"]
    assert [(each["row"], each["invoiceRow"], each["cells"]["lineText"]) for each in items] == [
        (2, 2, "b"),
        (3, 2, "c"),
        (4, 2, "d"),
    ]
    assert [bool(each["errors"]) for each in items] == [True, False, False]

    answer = correct(client, job, {"row": 3, "values": {"netAmount": "2.00"}})

    assert answer.json()["rows"] == 3
    assert counts(imported(bucket, answer)) == (1, 1, 0, 0, 0, 0)
    assert amounts(bucket) == {"A": "11.00", "B": "9.00"}


def test_a_broken_line_is_corrected_with_the_invoices_beside_it(bucket: Bucket, client: Client) -> None:
    added_up(bucket.services)
    broken = row_of("A", "2.00", "b").replace(",EUR", ",EUR,,")
    body = LINES + row_of("A", "1.00", "a") + broken + row_of("C", "4.00", "c") + row_of("D", "8.00", "d")
    job = bucket.import_("lines/may.csv", body.encode())
    assert counts(job) == (4, 1, 0, 0, 0, 3)
    values = dict(zip(LINES.strip().split(","), row_of("A", "2.00", "b").strip().split(","), strict=True))

    answer = correct(client, job, {"row": 2, "values": values})

    assert answer.json()["rows"] == 3
    assert counts(imported(bucket, answer)) == (2, 2, 0, 0, 0, 0)
    assert amounts(bucket) == {"A": "5.00", "C": "5.00", "D": "9.00"}


def test_rows_that_did_not_follow_one_another_are_not_added_up(bucket: Bucket, client: Client) -> None:
    added_up(bucket.services)
    body = LINES + row_of("A", "1.00", "a") + row_of("B", "2.00", "b") + row_of("A", "1.00", "a")
    job = bucket.import_("lines/may.csv", body.encode())
    assert counts(job) == (3, 1, 0, 0, 0, 2)
    assert refusal(correct(client, job, {"row": 1})) == (422, "correction.lines_apart", "rows")
    done = imported(bucket, correct(client, job, {"row": 1}, {"row": 3, "drop": True}, key="two"))
    assert counts(done) == (1, 1, 0, 0, 0, 0)
    assert amounts(bucket) == {"A": "2.00", "B": "3.00"}


def test_a_preset_that_was_named_reads_the_corrections_too(bucket: Bucket, client: Client) -> None:
    save = Presets(bucket.services.database).save
    save("odd", Preset(columns={"Our ref": "invoiceNumber", "invoiceNumber": None}), "command")
    body = ("Our ref," + HEADER + "R1," + line("n1") + "R2," + BAD).encode()
    bucket.put("may.csv", body)
    start = {"bucket": bucket.name, "key": "may.csv", "preset": "odd"}
    import_id = client.call("POST", "/imports", start).json()["id"]
    bucket.run()
    job = bucket.job(import_id)
    assert counts(job) == (2, 1, 0, 0, 0, 1)

    done = imported(bucket, correct(client, job, {"row": 2, "values": {"grossAmount": "119.00"}}))

    assert counts(done) == (1, 1, 0, 0, 0, 0)
    assert (set(amounts(bucket)), done["dialect"]["preset"]["name"]) == ({"R1", "R2"}, "odd")
    save("odd", Preset(columns={}), "command")
    changed = correct(client, job, {"row": 2, "values": {"grossAmount": "119.00"}}, key="two", overNewer=True)
    assert refusal(changed)[:2] == (409, "correction.dialect")


def test_a_mapping_of_the_upload_reads_the_corrections_too(bucket: Bucket, client: Client) -> None:
    body = ("Ours," + HEADER + "R1," + line("n1") + "R2," + BAD).encode()
    metadata = {"x-amz-meta-columns": '{"Ours": "invoiceNumber", "invoiceNumber": null}'}
    bucket.services.objects.write(bucket.name, "may.csv", [body], "text/csv", metadata)
    import_id, _ = bucket.ledger.submit(bucket.services.objects.find(bucket.name, "may.csv"))
    bucket.run()
    done = imported(bucket, correct(client, bucket.job(str(import_id)), {"row": 2, "values": {"grossAmount": "119"}}))
    assert set(amounts(bucket)) == {"R1", "R2"}
    assert counts(done) == (1, 1, 0, 0, 0, 0)


def test_only_an_import_that_has_read_its_file_is_corrected(
    make_services: Callable[..., Services],
) -> None:
    bucket = bucket_with(make_services, import_max_rejects=0)
    client = client_of(bucket.services)
    job = bucket.import_("may.csv", csv(line(1), BAD))
    assert job["state"] == "failed"
    assert refusal(correct(client, job, {"row": 2})) == (409, "import.state", None)


def test_rows_that_are_not_kept_could_be_of_the_same_invoice(bucket: Bucket, client: Client) -> None:
    job = bucket.import_("may.csv", csv(line(1), BAD, line(3, gross="x")))
    bucket.services.database["rejects"].delete_one({"importId": job["_id"], "row": 3})
    assert refusal(correct(client, job, {"row": 2})) == (409, "correction.omitted", None)
