"""From an object to invoices, against real servers: what is imported, counted, rejected and refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bson import Decimal128

from mailroom.deploy import setup
from mailroom.invoices import worker as working
from mailroom.invoices.files import opening as reading
from mailroom.invoices.imports.importer import MOST_ATTEMPTS
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, bucket_with, counts, csv, line
from tests.support.client import Client


def test_every_valid_row_is_an_invoice(bucket: Bucket):
    job = bucket.import_("may.csv", csv(line(1), line(2, gross="119.01")))

    assert job["state"] == "done"
    assert counts(job) == (2, 2, 0, 0, 0, 0)
    one, two = sorted(bucket.invoices(), key=lambda each: each["invoiceNumber"])
    assert one["grossAmount"] == Decimal128("119.00")
    assert two["grossAmount"] == Decimal128("119.01")
    assert one["supplierKey"] == "acme gmbh"
    assert one["source"] == {"importId": job["_id"], "offset": len(HEADER), "row": 1, "outcome": "inserted"}


def test_a_file_without_a_header_has_the_fixed_columns(bucket: Bucket):
    job = bucket.import_("plain.csv", line(7).encode())
    assert counts(job) == (1, 1, 0, 0, 0, 0)
    assert bucket.invoices()[0]["invoiceNumber"] == "7"


def test_unknown_columns_are_kept_and_count_as_content(bucket: Bucket):
    header = HEADER.replace("\n", ",Cost Centre\n")
    row = line(1).replace("\n", ",%s\n")
    assert counts(bucket.import_("may.csv", (header + row % 4711).encode())) == (1, 1, 0, 0, 0, 0)
    assert bucket.invoices()[0]["extra"] == {"Cost Centre": "4711"}

    assert counts(bucket.import_("may.csv", (header + row % 4712).encode())) == (1, 0, 1, 0, 0, 0)
    assert bucket.invoices()[0]["extra"] == {"Cost Centre": "4712"}


def test_the_same_file_again_changes_nothing(bucket: Bucket):
    body = csv(*(line(n) for n in range(20)))
    bucket.import_("may.csv", body)
    before = [{**each, "order": None, "source": None} for each in bucket.invoices()]

    job = bucket.import_("may.csv", body)

    assert counts(job) == (20, 0, 0, 20, 0, 0)
    assert [{**each, "order": None, "source": None} for each in bucket.invoices()] == before


def test_a_then_b_then_a_ends_at_a(bucket: Bucket):
    a, b = csv(line(1, status="open")), csv(line(1, status="paid"))
    bucket.import_("may.csv", a)
    assert counts(bucket.import_("may.csv", b)) == (1, 0, 1, 0, 0, 0)
    assert counts(bucket.import_("may.csv", a)) == (1, 0, 1, 0, 0, 0)
    assert bucket.invoices()[0]["status"] == "open"


def test_older_content_that_arrives_late_overwrites_nothing(bucket: Bucket):
    older = bucket.put("may.csv", csv(line(1, status="open")))
    bucket.import_("may.csv", csv(line(1, status="paid")))

    version = bucket.services.objects.find(bucket.name, "may.csv", older)
    import_id, new = bucket.ledger.submit(version)
    assert new
    bucket.run()

    assert counts(bucket.job(str(import_id))) == (1, 0, 0, 0, 1, 0)
    assert bucket.invoices()[0]["status"] == "paid"


def test_an_object_overwritten_before_its_import_is_imported_in_both_versions(bucket: Bucket):
    first = bucket.submit("may.csv", csv(line(1)))
    second = bucket.submit("may.csv", csv(line(2)))
    bucket.run()

    assert counts(bucket.job(first)) == counts(bucket.job(second)) == (1, 1, 0, 0, 0, 0)
    assert {each["invoiceNumber"] for each in bucket.invoices()} == {"1", "2"}


def test_a_repeated_invoice_in_one_file_counts_row_by_row(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, import_profiles='{"": {"lineItems": "lastWins"}}')
    job = bucket.import_("may.csv", csv(line(1), line(1), line(1, status="paid")))
    assert counts(job) == (3, 1, 1, 1, 0, 0)
    assert bucket.invoices()[0]["status"] == "paid"


def test_bad_rows_go_to_a_file_that_can_be_corrected_and_uploaded(bucket: Bucket):
    job = bucket.import_("may.csv", csv(line(1), line(2, gross="12x"), line(3), "too,few\n"))

    assert counts(job) == (4, 2, 0, 0, 0, 2)
    assert job["rejects"]["bucket"] == bucket.services.settings.rejects_bucket
    text = bucket.rejects(job["rejects"]["key"]).decode("utf-8-sig")
    header, amount, fields = text.splitlines()
    assert header.startswith('"_row","_offset","_column","_code","_message","_guard=apostrophe","invoiceNumber"')
    assert amount.startswith('"2",')
    assert "amount.not_a_number" in amount
    assert amount.endswith(",".join(f'"{cell}"' for cell in line(2, gross="12x").strip().split(",")))
    assert "row.field_count" in fields

    corrected = text.replace("12x", "119.00").replace(fields + "\n", "")
    assert counts(bucket.import_("corrected.csv", corrected.encode())) == (1, 1, 0, 0, 0, 0)


def test_formulas_are_guarded_in_files_only_and_come_back_as_they_were(bucket: Bucket, client: Client):
    supplier, address = "=HYPERLINK(1)", "x;=cmd|'/C calc'!A0"
    rows = [line(n, supplier=f"'{supplier}") for n in (1, 2)] + [line(3, supplier=supplier, gross="12x")]
    job = bucket.import_("may.csv", csv(*rows).replace(b"1 Example Street", address.encode()))
    rejects = bucket.rejects(job["rejects"]["key"])
    assert b"\"'=HYPERLINK(1)\",\"x;'=cmd|'/C calc'!A0\"" in rejects
    [kept] = bucket.services.database["rejects"].find()
    assert f",{supplier},{address}," in kept["raw"]
    before = bucket.invoices()

    corrected = bucket.import_("corrected.csv", rejects.replace(b"12x", b"119.00"))
    again = bucket.import_("again.csv", client.get("/export").body)

    assert counts(corrected) == (1, 1, 0, 0, 0, 0)
    assert counts(again) == (3, 0, 0, 3, 0, 0)
    found = sorted((each["invoiceNumber"], each["supplierName"], each["supplierAddress"]) for each in bucket.invoices())
    assert found == [("1", f"'{supplier}", address), ("2", f"'{supplier}", address), ("3", supplier, address)]
    assert len(before) == 2
    shown = client.get("/", invoiceNumber="3").json()["items"][0]
    assert (shown["supplierName"], shown["supplierAddress"]) == (supplier, address)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "file.empty"),
        (HEADER.replace("currency", "colour").encode(), "header."),
        (HEADER.replace(",currency", "").encode() + b"1,2024-01-31,1,1,0,A,B,open\n", "header.missing_column"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "file."),
        (HEADER.encode() + b"\x00\x00\x00\x00", "file."),
    ],
)
def test_an_object_that_is_no_invoice_file_is_a_failed_job_with_its_reason(bucket: Bucket, body: bytes, code: str):
    job = bucket.import_("bad.csv", body)
    assert job["state"] == "failed"
    assert job["error"]["code"].startswith(code)
    assert job["error"]["message"]
    assert "dueAt" not in job
    assert bucket.invoices() == []


def test_a_failed_import_does_not_hold_up_the_next(bucket: Bucket):
    bad = bucket.submit("bad.csv", b"")
    good = bucket.submit("good.csv", csv(line(1)))
    bucket.run()
    assert bucket.job(bad)["state"] == "failed"
    assert bucket.job(good)["state"] == "done"


def test_a_mistake_of_ours_with_one_import_does_not_hold_up_the_next(bucket: Bucket, monkeypatch: pytest.MonkeyPatch):
    broken = bucket.submit("broken.csv", csv(line(1)))
    good = bucket.submit("good.csv", csv(line(2)))
    detect = reading.detect

    def mistake(head: bytes, *arguments: object, **options: object) -> object:
        if b"\n1," in head:
            raise ZeroDivisionError
        return detect(head, *arguments, **options)

    monkeypatch.setattr(reading, "detect", mistake)
    bucket.run()

    assert bucket.job(good)["state"] == "done"
    assert bucket.job(broken)["state"] == "running"  # and due again when its lease ends


def test_a_version_that_cannot_exist_is_a_failed_job(bucket: Bucket):
    import_id = bucket.submit("may.csv", csv(line(1)))
    bucket.services.database["imports"].update_one({}, {"$set": {"versionId": "not a version"}})
    bucket.services.objects.client.remove_object(bucket.name, "may.csv")
    bucket.run()
    assert bucket.job(import_id)["error"]["code"] == "object.not_found"


def test_an_object_deleted_before_it_is_read_is_a_failed_job(bucket: Bucket):
    import_id = bucket.submit("gone.csv", csv(line(1)))
    version = bucket.job(import_id)["versionId"]
    bucket.services.objects.client.remove_object(bucket.name, "gone.csv", version_id=version)
    bucket.run()
    assert bucket.job(import_id)["error"]["code"] == "object.not_found"


def test_a_version_deleted_after_it_was_overwritten_is_superseded(bucket: Bucket):
    import_id = bucket.submit("may.csv", csv(line(1)))
    version = bucket.job(import_id)["versionId"]
    bucket.put("may.csv", csv(line(2)))
    bucket.services.objects.client.remove_object(bucket.name, "may.csv", version_id=version)
    bucket.run()
    assert bucket.job(import_id)["state"] == "superseded"


def test_deleting_an_object_deletes_no_invoice(bucket: Bucket):
    bucket.import_("may.csv", csv(line(1)))
    bucket.services.objects.client.remove_object(bucket.name, "may.csv")
    bucket.run()
    assert len(bucket.invoices()) == 1


def test_without_the_secret_of_the_store_an_import_waits(bucket: Bucket):
    import_id = bucket.submit("may.csv", csv(line(1)))
    secret = bucket.services.settings.secrets_dir / "mailroom-s3-secret-key"
    value = secret.read_text()
    secret.write_text("")
    importer = working.create_worker(Services(bucket.services.settings))
    for _ in range(MOST_ATTEMPTS + 1):
        assert importer()["statusCode"] == 503
        waits = bucket.job(import_id)
        assert (waits["state"], waits["error"]["code"]) == ("pending", "service.unavailable")
        bucket.services.database["imports"].update_one({"_id": waits["_id"]}, {"$set": {"dueAt": waits["createdAt"]}})
    secret.write_text(value)
    assert importer()["body"] == {"done": 1}
    assert bucket.job(import_id)["state"] == "done"


@pytest.mark.parametrize(
    "key",
    [
        "x" * 240 + ".csv",
        "ü" * 120 + ".csv",
        "f" * 240 + "/" + "x" * 240 + ".csv",
        "/".join(["f" * 200] * 4 + ["x" * 200]),
    ],
    ids=["a long name", "many bytes", "in a folder", "a long key"],
)
def test_the_rejects_of_a_file_with_a_long_name_have_their_file(bucket: Bucket, key: str):
    job = bucket.import_(key, csv(line(1), line(2, gross="x")))
    assert (job["state"], counts(job)) == ("done", (2, 1, 0, 0, 0, 1))
    assert b'"x","100.00"' in bucket.rejects(job["rejects"]["key"])
    again = bucket.import_(key, csv(line(1), line(3, gross="x")))
    assert again["rejects"]["key"] != job["rejects"]["key"]


def test_without_the_bucket_of_rejects_an_import_waits(bucket: Bucket):
    client, rejects = bucket.services.objects.client, bucket.services.settings.rejects_bucket
    client.remove_bucket(rejects)
    import_id = bucket.submit("may.csv", csv(line(1), line(2, gross="x")))

    assert bucket.run()["statusCode"] == 503

    waits = bucket.job(import_id)
    assert (waits["state"], waits["error"]["code"]) == ("pending", "service.unavailable")
    client.make_bucket(rejects)
    bucket.services.database["imports"].update_one({"_id": waits["_id"]}, {"$set": {"dueAt": waits["createdAt"]}})
    bucket.run()
    job = bucket.job(import_id)
    assert (job["state"], counts(job)) == ("done", (2, 1, 0, 0, 0, 1))
    assert bucket.rejects(job["rejects"]["key"])


def test_an_import_that_fails_waits_for_the_bucket_of_rejects_too(make_services: Callable[..., Services]):
    services = make_services(import_max_rejects=0)
    setup.run(services, lambda _: None)
    bucket, client, rejects = Bucket(services), services.objects.client, services.settings.rejects_bucket
    client.remove_bucket(rejects)
    import_id = bucket.submit("may.csv", csv(line(1), line(2, gross="x")))
    for _ in range(MOST_ATTEMPTS + 1):
        assert bucket.run()["statusCode"] == 503
        waits = bucket.job(import_id)
        assert (waits["state"], waits["error"]["code"]) == ("pending", "service.unavailable")
        services.database["imports"].update_one({"_id": waits["_id"]}, {"$set": {"dueAt": waits["createdAt"]}})
    client.make_bucket(rejects)
    bucket.run()
    failed = bucket.job(import_id)
    assert (failed["state"], failed["error"]["code"]) == ("failed", "rejects.too_many")
    assert bucket.rejects(failed["rejects"]["key"])
