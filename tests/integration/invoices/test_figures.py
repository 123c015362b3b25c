"""The figures of an overview."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailroom.invoices.app import create_app
from mailroom.services import Services
from tests.integration.invoices.files import Bucket, csv, line
from tests.support.client import Client


@pytest.fixture
def client(services: Services) -> Client:
    return fresh(services)


def fresh(services: Services) -> Client:
    """A replica that has computed nothing yet."""
    key = services.keys.create("test", ["invoices:read", "invoices:write"])
    return Client(create_app(services), key.text, key.id)


def test_files_and_rows_of_the_last_days_are_counted(bucket: Bucket, client: Client) -> None:
    bucket.import_("may.csv", csv(line(1), line(2), line(3, gross="x")))
    bucket.import_("bad.csv", b"nothing")
    old = bucket.import_("old.csv", csv(line(9)))
    imports = bucket.services.database["imports"]
    imports.update_one({"_id": old["_id"]}, {"$set": {"createdAt": old["createdAt"] - timedelta(days=3)}})
    dry = {"bucket": bucket.name, "key": "may.csv", "dryRun": True}
    client.call("POST", "/imports", dry)
    bucket.run()

    day, month = (client.get("/figures/imports", days=days).json() for days in ("1", "30"))

    assert (day["files"], day["states"], day["rejected"]) == (2, {"done": 1, "failed": 1}, 1)
    assert (day["rows"]["rows"], day["rows"]["inserted"]) == (3, 2)
    assert (month["days"], month["files"], month["rows"]["inserted"]) == (30, 3, 3)
    assert client.get("/figures/imports").json() == day
    assert client.get("/figures/imports", days="7").json()["code"] == "days.invalid"


def test_invoices_are_summed_by_month_and_currency(bucket: Bucket, client: Client) -> None:
    now = bucket.ledger.now()
    this = f"{now:%Y-%m}"
    rows = [line(1), line(2), line(3).replace("EUR", "USD")]
    bucket.import_("may.csv", csv(line(4), *(row.replace("2024-01", this) for row in rows)).replace(b"-31,", b"-28,"))
    found = client.get("/figures/invoices").json()
    assert found["items"] == [
        {"month": this, "currency": "EUR", "count": 2, "total": "238.00"},
        {"month": this, "currency": "USD", "count": 1, "total": "119.00"},
    ]
    assert found["computedAt"][:10] == f"{now:%Y-%m-%d}"


def test_a_figure_is_computed_once_a_minute(bucket: Bucket, client: Client) -> None:
    before = client.get("/figures/imports").json()
    bucket.import_("may.csv", csv(line(1)))
    assert client.get("/figures/imports").json() == before
    assert fresh(bucket.services).get("/figures/imports").json()["files"] == 1


def test_the_import_that_has_waited_for_longest_is_named(bucket: Bucket, client: Client) -> None:
    nothing = client.get("/figures/waiting").json()
    assert (nothing["waiting"], nothing["oldest"]) == (0, None)
    first = bucket.submit("may.csv", csv(line(1)))
    bucket.submit("june.csv", csv(line(2)))
    found = fresh(bucket.services).get("/figures/waiting").json()
    assert (found["waiting"], found["oldest"]["id"], found["oldest"]["state"]) == (2, first, "pending")
    assert found["oldest"]["waitingFor"]["code"] == "worker"


def test_what_an_undo_would_do_is_told_beforehand(bucket: Bucket, client: Client) -> None:
    bucket.import_("may.csv", csv(line(1), line(2)))
    job = bucket.import_("june.csv", csv(line(2, status="paid"), line(3), line(4), line(5)))
    bucket.import_("july.csv", csv(line(5, status="paid")))
    path = f"/imports/{job['_id']}/undo"

    foreseen = client.get(path).json()
    undone = client.call("POST", path).json()

    assert foreseen == {"deletes": 2, "leaves": 2}
    assert (undone["deleted"], undone["left"]) == (2, 2)
    assert client.get(path).json() == {"deletes": 0, "leaves": 2}
    waiting = bucket.submit("august.csv", csv(line(6)))
    assert client.get(f"/imports/{waiting}/undo").json()["code"] == "import.state"
    assert client.get(f"/imports/{'a' * 24}/undo").status == 404


def test_what_a_forced_import_would_do_is_told_beforehand(bucket: Bucket, client: Client) -> None:
    bucket.import_("may.csv", csv(line(1)))
    bucket.import_("june.csv", csv(line(1, status="paid")))
    asked = {"bucket": bucket.name, "key": "may.csv", "force": True, "dryRun": True}
    trial = client.call("POST", "/imports", asked).json()["id"]
    bucket.run()
    found = client.get(f"/imports/{trial}").json()
    assert (found["dryRun"], found["counts"]["updated"]) == (True, 1)
    assert [each["status"] for each in bucket.invoices()] == ["paid"]
