"""Rows of one invoice in one file that differ are all rejected; nothing of such an invoice is written."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from mailroom.invoices.imports import comparison, source
from mailroom.invoices.imports.actions import ImportActions
from mailroom.services import Services
from tests.integration.invoices.files import Bucket, bucket_with, counts, csv, line

ITEMS = (
    "Invoice No,Date,Vendor,Item,Net,VAT,Total,Currency\n"
    "7,2024-05-01,ACME,Bolts,100.00,19.00,119.00,EUR\n"
    "7,2024-05-01,ACME,Nuts,200.00,38.00,238.00,EUR\n"
    "7,2024-05-01,ACME,Freight,10.00,1.90,11.90,EUR\n"
)
LAST_WINS = '{"": {"lineItems": "lastWins"}}'


@pytest.fixture
def small(make_services: Callable[..., Services]) -> Bucket:
    """Batches of five rows, so that a short file has many."""
    return bucket_with(make_services, import_batch_rows=5)


def test_line_items_are_all_rejected_and_name_each_other(bucket: Bucket):
    job = bucket.import_("items.csv", ITEMS.encode())

    assert counts(job) == (3, 0, 0, 0, 0, 3)
    assert bucket.invoices() == []
    lines = bucket.rejects(job["rejects"]["key"]).decode().splitlines()[1:]
    assert len(lines) == 3
    for each in lines:
        assert "row.differs" in each
        assert "invoiceNumber" in each
        assert "Rows 1, 2 and 3 are of the same invoice but differ." in each


def test_what_was_stored_before_stays(bucket: Bucket):
    bucket.import_("before.csv", csv(line(1), line(2)))
    before = bucket.invoices()

    job = bucket.import_("after.csv", csv(line(1, status="paid"), line(3), line(1, status="late")))

    assert counts(job) == (3, 1, 0, 0, 0, 2)
    assert [each for each in bucket.invoices() if each["invoiceNumber"] != "3"] == before


def test_a_row_that_is_repeated_as_it_is_stays_unchanged(small: Bucket):
    rows = [line(n) for n in range(12)]
    assert counts(small.import_("twice.csv", csv(*rows, *rows))) == (24, 12, 0, 12, 0, 0)


def test_the_last_row_wins_where_a_profile_says_so(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, import_batch_rows=5, import_profiles=LAST_WINS)
    rows = [*(line(n) for n in range(12)), line(3, status="paid")]
    assert counts(bucket.import_("last.csv", csv(*rows))) == (13, 12, 1, 0, 0, 0)
    assert "comparison" not in bucket.services.database["imports"].find_one({})


def test_a_bad_row_of_an_invoice_rejects_its_good_rows_too(bucket: Bucket):
    job = bucket.import_("one-bad.csv", csv(line(1), line(1, gross="bad"), line(2)))
    assert counts(job) == (3, 1, 0, 0, 0, 2)
    assert [each["invoiceNumber"] for each in bucket.invoices()] == ["2"]


def far_apart() -> bytes:
    """Rows of invoice 3 in the first and the last batch, three rows of invoice 7, a bad row of 9, and repeated rows."""
    rows = [line(n) for n in range(40)]
    rows[20], rows[30] = line(7, status="paid"), line(7, status="late")
    rows += [line(9, gross="bad"), line(11), line(12), line(13), line(3, status="paid")]
    return csv(*rows)


@pytest.mark.parametrize("compressed", [False, True])
def test_rows_that_differ_are_found_across_batches(small: Bucket, compressed: bool):
    body = far_apart()
    job = small.import_("far.csv", gzip.compress(body) if compressed else body)

    rejected = small.rejects(job["rejects"]["key"]).decode().splitlines()[1:]
    assert len(rejected) == counts(job)[-1]
    numbers = {each["invoiceNumber"] for each in small.invoices()}
    assert numbers == {str(n) for n in range(40)} - {"3", "7", "9", "20", "30"}
    assert sum("Rows 4 and 45 are of the same invoice but differ." in each for each in rejected) == 2
    assert sum("Rows 8, 21 and 31 are of the same invoice but differ." in each for each in rejected) == 3
    assert sum("Rows 10 and 41 are of the same invoice but differ." in each for each in rejected) == 1
    assert counts(job) == (45, 35, 0, 3, 0, 7)
    assert small.services.database["comparisons"].count_documents({}) == 0


def test_keys_that_do_not_fit_into_memory_are_stored(small: Bucket, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(comparison, "MOST_KEYS", 4)
    monkeypatch.setattr(source, "COMPARED_BYTES", 200)
    stored: list[int] = []
    store = comparison.RowComparison._store

    def noted(self: comparison.RowComparison, job: object, state: object, keys: object) -> object:
        stored.append(len(keys))  # type: ignore[arg-type]
        return store(self, job, state, keys)  # type: ignore[arg-type]

    monkeypatch.setattr(comparison.RowComparison, "_store", noted)

    job = small.import_("far.csv", far_apart())

    assert counts(job) == (45, 35, 0, 3, 0, 7)
    assert len(stored) > 8
    assert max(stored) < 10
    text = small.rejects(job["rejects"]["key"]).decode()
    assert text.count("Rows 8, 21 and 31 are of the same invoice but differ.") == 3
    assert small.services.database["comparisons"].count_documents({}) == 0


def test_a_dry_run_predicts_what_is_rejected(small: Bucket):
    version = small.services.objects.find(small.name, "far.csv", small.put("far.csv", far_apart()))
    trial, _ = small.ledger.submit(version, dry_run=True)
    small.run()
    assert counts(small.job(str(trial))) == (45, 35, 0, 3, 0, 7)
    assert small.invoices() == []


def test_a_file_imported_again_gives_the_same(small: Bucket):
    body = far_apart()
    small.import_("far.csv", body)
    before = {each["invoiceNumber"]: each["status"] for each in small.invoices()}
    assert counts(small.import_("again.csv", body)) == (45, 0, 0, 38, 0, 7)
    assert {each["invoiceNumber"]: each["status"] for each in small.invoices()} == before


def test_a_failed_import_that_is_retried_compares_its_rows_anew(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, import_batch_rows=5, import_max_rejects=1)
    import_id = bucket.submit("far.csv", far_apart())
    bucket.run()
    failed = bucket.job(import_id)
    assert failed["error"]["code"] == "rejects.too_many"
    assert 0 < failed["checkpoint"]["counts"]["rows"] < 45
    database = bucket.services.database
    assert database["comparisons"].count_documents({}) == 0

    ImportActions(database["imports"], database["invoices"], 30.0).retry(failed["_id"])
    Bucket(make_services(import_batch_rows=5, import_max_rejects=-1)).run()

    assert counts(bucket.job(import_id)) == (45, 35, 0, 3, 0, 7)


def test_rows_are_named_up_to_a_number(bucket: Bucket):
    job = bucket.import_("many.csv", csv(*(line(1, status=f"s{n}") for n in range(30))))
    text = bucket.rejects(job["rejects"]["key"]).decode()
    assert text.count("19, 20 and 10 more are of the same invoice but differ.") == 30


@pytest.mark.parametrize("same", [False, True])
def test_lines_that_are_added_up_must_follow_one_another(make_services: Callable[..., Services], same: bool):
    """Else a later line might be a part of the invoice, or all of it: also if it is the same again."""
    bucket = bucket_with(make_services, import_batch_rows=5, import_profiles='{"": {"lineItems": "addUp"}}')
    rows = [each for n in range(8) for each in (line(n), line(n))]
    last = line(2) if same else line(2, gross="120.00")
    job = bucket.import_("lines.csv", csv(*rows, last))

    assert counts(job) == (9, 7, 0, 0, 0, 2)
    assert {str(each["grossAmount"]) for each in bucket.invoices()} == {"238.00"}
    text = bucket.rejects(job["rejects"]["key"]).decode()
    assert text.count("Rows 5 and 17 are of the same invoice but do not follow one another.") == (2 if same else 1)


def test_a_worker_that_removes_its_comparison_late_leaves_that_of_a_retry(small: Bucket):
    import_id = small.submit("far.csv", far_apart())
    stale = small.compare_rows()
    small.ledger.fail(stale, "made.up", "made by a test")
    database = small.services.database
    ImportActions(database["imports"], database["invoices"], 30.0).retry(stale.id)
    retried = small.compare_rows()

    comparison.RowComparison(small.ledger, database["comparisons"]).remove(stale)

    small.ledger.release(retried)
    small.run()
    assert counts(small.job(import_id)) == (45, 35, 0, 3, 0, 7)
