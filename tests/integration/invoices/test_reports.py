"""Reports of accounting programs: their totals and headings are counted, by themselves."""

from __future__ import annotations

from collections.abc import Callable

from mailroom.services import Services
from tests.integration.invoices.files import Bucket, bucket_with, counts, csv, line
from tests.integration.invoices.test_actions import Accountant

TOTAL, HEADING = "Total for Acme GmbH,,119.00,100.00,19.00,,,,\n", "Acme GmbH\n"


def report(rows: int) -> bytes:
    """Every third row is followed by a total and a heading, every seventh is bad."""
    return csv(
        *(line(n, gross="x" if n % 7 == 0 else "119.00") + (TOTAL + HEADING) * (n % 3 == 0) for n in range(rows))
    )


def test_totals_and_headings_are_counted_apart(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, import_batch_rows=10, import_notify="accounts@example.com")
    client = Accountant(bucket.services)
    job = bucket.import_("report.csv", report(90))
    assert counts(job) == (90, 77, 0, 0, 0, 13)
    assert job["checkpoint"]["counts"]["setApart"] == 60
    shown = client("GET", f"/imports/{job['_id']}")[1]
    assert shown["counts"]["setApart"] == 60
    assert sorted(shown["counts"].values()) == [0, 0, 0, 13, 60, 77, 90]
    [mail] = bucket.services.database["notifications"].find()
    assert "setApart: 60" in str(mail)

    body = {"bucket": bucket.name, "key": "report.csv", "dryRun": True}
    dry = client("POST", "/imports", body)[1]["id"]
    bucket.run()
    assert client("GET", f"/imports/{dry}")[1]["counts"]["setApart"] == 60


def test_an_import_of_an_earlier_version_has_no_such_count(bucket: Bucket):
    job = bucket.import_("may.csv", csv(line(1)))
    bucket.services.database["imports"].update_one({"_id": job["_id"]}, {"$unset": {"checkpoint.counts.setApart": ""}})
    shown = Accountant(bucket.services)("GET", f"/imports/{job['_id']}")[1]
    assert shown["counts"] == {"rows": 1, "inserted": 1} | dict.fromkeys(
        ("updated", "unchanged", "stale", "rejected", "setApart"), 0
    )
