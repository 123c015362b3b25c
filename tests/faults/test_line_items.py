"""A file with a row for each line: whatever happens to its workers, each invoice is whole."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from bson import ObjectId

from mailroom.deploy import setup
from mailroom.services import Services
from tests.faults.child import Fault
from tests.faults.conftest import BATCH_ROWS, LEASE_SECONDS
from tests.faults.world import start
from tests.integration.invoices.files import Bucket, counts
from tests.support.slow import others_slow

INVOICES = 60
KEY = "lines/main.csv"


def body() -> bytes:
    """Invoices of one to nine lines, more than a batch has in places; bad ones, and totals after each tenth."""
    rows = ["Invoice No,Date,Vendor,Item,Net,VAT,Total,Currency\n"]
    for number in range(INVOICES):
        for at in range(number % 9 + 1 if number % 20 else 3 * BATCH_ROWS):
            head = f"L-{number},2024-01-31,Acme GmbH" if at == 0 else f"L-{number},,"
            total = "bad" if number % 13 == 4 and at == number % 9 else "119.00"
            rows.append(f"{head},Item {at},100.00,19.00,{total},EUR\n")
        if number % 10 == 9:
            rows.append("Subtotal,,,,1000.00,190.00,1190.00,\n")
        if number % 25 == 24:
            rows.append("broken,row\n")
    return "".join(rows).encode()


@pytest.fixture
def bucket(make_services: Callable[..., Services]) -> Bucket:
    profiles = '{"lines/": {"lineItems": "addUp"}}'
    services = make_services(import_lease_seconds=LEASE_SECONDS, import_batch_rows=BATCH_ROWS, import_profiles=profiles)
    setup.run(services, lambda line: None)
    return Bucket(services)


def outcome(bucket: Bucket, import_id: str) -> tuple[object, ...]:
    job = bucket.job(import_id)
    rejects = bucket.rejects(job["rejects"]["key"])
    return job["state"], job["checkpoint"]["counts"], rejects, bucket.invoices()


@pytest.mark.parametrize("place", others_slow(["half written", "written"], "half written"))
def test_invoices_are_whole_whoever_dies(bucket: Bucket, place: str):
    import_id = bucket.submit(KEY, body())
    version = bucket.services.objects.find(bucket.name, KEY)
    bucket.run()
    undisturbed = outcome(bucket, import_id)
    job = bucket.job(import_id)
    bad = sum(number % 13 == 4 for number in range(INVOICES))
    # Two rows cannot be read: the invoices beside them are rejected too. A subtotal is before the second one.
    assert counts(job)[0] == INVOICES + 2
    assert counts(job)[5] == bad + 2 + 3
    assert job["checkpoint"]["counts"]["setApart"] == 6
    for invoice in bucket.invoices():
        number = int(invoice["invoiceNumber"][2:])
        lines = number % 9 + 1 if number % 20 else 3 * BATCH_ROWS
        assert len(invoice["lines"]) == lines
        assert invoice["grossAmount"].to_decimal() == 119 * lines

    database = bucket.services.database
    database["invoices"].delete_many({})
    database["rejects"].delete_many({})
    database["imports"].delete_one({"_id": ObjectId(import_id)})
    assert str(bucket.ledger.submit(version)[0]) == import_id
    broken = start(bucket.services.settings, Fault(place, signal.SIGKILL, passes=2))
    assert broken.reached()
    others = [start(bucket.services.settings) for _ in range(2)]
    assert [other.wait() for other in others] == [0, 0]
    assert outcome(bucket, import_id) == undisturbed
