"""A workbook is imported like the CSV of its first visible sheet."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from collections.abc import Callable
from datetime import date

import pytest
from openpyxl import Workbook

from mailroom.deploy import setup
from mailroom.invoices.files.formats import workbooks
from mailroom.invoices.imports import source as reading
from mailroom.invoices.imports.ledger import Ledger
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, counts, line


def workbook(rows: int) -> bytes:
    """Every seventh row is bad."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(HEADER.strip().split(","))
    for n in range(rows):
        gross = "bad" if n % 7 == 3 else 100 * 1.19  # 118.99999999999999 in the file, 119 on the screen
        sheet.append([n, date(2024, 1, 31), gross, 100, 19, "Acme GmbH", "1 Example Street", "EUR", "open"])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def test_a_workbook_gives_the_invoices_of_its_csv(bucket: Bucket):
    job = bucket.import_("may.xlsx", workbook(20))
    assert (job["state"], counts(job), job["dialect"]["compression"]) == ("done", (20, 17, 0, 0, 0, 3), "xlsx")
    invoices = bucket.invoices()

    again = bucket.import_("may.csv", (HEADER + "".join(line(n) for n in range(20) if n % 7 != 3)).encode())

    assert counts(again) == (17, 0, 0, 17, 0, 0)
    assert all(str(invoice["grossAmount"]) == "119.00" for invoice in invoices)


def test_the_rejects_of_a_workbook_are_a_csv_to_correct_and_upload(bucket: Bucket):
    job = bucket.import_("may.xlsx", workbook(20))
    rejects = bucket.rejects(job["rejects"]["key"])

    corrected = bucket.import_("corrected.csv", rejects.replace(b'"bad"', b'"119"'))

    assert counts(corrected) == (3, 3, 0, 0, 0, 0)


def test_a_workbook_goes_on_from_its_checkpoint(make_services: Callable[..., Services]):
    services = make_services(import_batch_rows=50, work_budget_seconds=0.001)
    setup.run(services, lambda _: None)
    bucket = Bucket(services)
    import_id = bucket.submit("may.xlsx", workbook(210))
    slices = 0
    while bucket.job(import_id)["state"] != "done":
        bucket.run()
        slices += 1
    assert slices >= 4
    assert counts(bucket.job(import_id)) == (210, 180, 0, 0, 0, 30)
    assert len(bucket.invoices()) == 180


def test_the_lease_is_renewed_while_imported_rows_are_skipped(
    make_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
):
    services = make_services(import_batch_rows=300, work_budget_seconds=0.001)
    setup.run(services, lambda _: None)
    bucket = Bucket(services)
    import_id = bucket.submit("may.xlsx", workbook(900))
    renewed: list[int] = []
    renew = Ledger.renew
    monkeypatch.setattr(reading, "_RENEW_SECONDS", 0.0)
    monkeypatch.setattr(workbooks, "_BLOCK", 4096)
    monkeypatch.setattr(Ledger, "renew", lambda ledger, job: renewed.append(job.epoch) or renew(ledger, job))
    while bucket.job(import_id)["state"] != "done":
        bucket.run()
    assert len(set(renewed)) >= 2  # in each slice but the first


def with_empty_rows(count: int) -> bytes:
    """A workbook whose second row of data comes after so many empty ones."""
    target = io.BytesIO(workbook(2))
    with zipfile.ZipFile(target) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    first, second, third, end = re.split(rb"(?=<row)|(?=</sheetData>)", re.sub(rb' r="\w+"', b"", parts[sheet]))[1:]
    before = parts[sheet][: parts[sheet].index(b"<row")]
    parts[sheet] = before + first + second + b"<row/>" * count + third + end
    with zipfile.ZipFile(target := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in parts.items():
            book.writestr(name, content)
    return target.getvalue()


def with_empty_members(count: int) -> bytes:
    return gzip.compress((HEADER + line(0)).encode()) + gzip.compress(b"") * count + gzip.compress(line(1).encode())


@pytest.mark.parametrize(
    ("key", "body"),
    [("may.xlsx", with_empty_rows(300_000)), ("may.csv.gz", with_empty_members(40_000))],
    ids=["empty rows", "empty members"],
)
def test_the_lease_is_renewed_while_a_file_gives_no_content(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, key: str, body: bytes
):
    renewed: list[int] = []
    renew = Ledger.renew
    monkeypatch.setattr(reading, "_RENEW_SECONDS", 0.0)
    monkeypatch.setattr(Ledger, "renew", lambda ledger, job: renewed.append(job.epoch) or renew(ledger, job))
    job = bucket.import_(key, body)
    assert (job["state"], counts(job)) == ("done", (2, 2, 0, 0, 0, 0))
    assert len(renewed) > 20


@pytest.mark.parametrize("hint", ["", "_decimal_mark=.", "_decimal_mark=,"])
@pytest.mark.parametrize("mark", ["", ".", ","])
def test_numbers_of_a_workbook_are_what_they_are_whatever_the_decimal_mark(
    make_services: Callable[..., Services], mark: str, hint: str
):
    services = make_services(import_decimal_mark=mark, import_batch_rows=2, work_budget_seconds=0.001)
    setup.run(services, lambda _: None)
    bucket, book, target = Bucket(services), Workbook(), io.BytesIO()
    book.worksheets[0].append([*HEADER.strip().split(","), *([hint] if hint else [])])
    for n in range(7):
        amounts = [1190.5, 1000.5, 190] if n % 2 else [119.125, 100.125, 19]
        status = "open" if n else None  # then the row ends before
        book.worksheets[0].append([n, date(2024, 1, 31), *amounts, "Acme", "Street 1", ("KWD", "EUR")[n % 2], status])
    book.save(target)
    import_id = bucket.submit("may.xlsx", target.getvalue())
    while bucket.job(import_id)["state"] in ("pending", "running"):
        bucket.run()
    assert counts(bucket.job(import_id)) == (7, 7, 0, 0, 0, 0)
    found = {float(str(invoice["grossAmount"])) for invoice in bucket.invoices()}
    assert found == {1190.5, 119.125}
