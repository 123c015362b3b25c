"""Files whose amounts are derived and whose currency is a constant are stored, and shown as such."""

from __future__ import annotations

import pytest

from mailroom.invoices.app import create_app
from mailroom.services import Services
from tests.integration.invoices.files import Bucket, counts
from tests.support.client import Client

ROW = "{},31-Jan-2024,1190.00,{},Acme Ltd"
FILE = "\n".join(["Bill no.,Date,Total,Net total,Vendor", *(ROW.format(n, "1000.00") for n in range(100))]) + "\n"


@pytest.fixture
def client(services: Services) -> Client:
    key = services.keys.create("test", ["invoices:read", "invoices:write"])
    return Client(create_app(services), key.text, key.id)


def test_derived_amounts_and_constants_are_stored_and_shown(bucket: Bucket, client: Client) -> None:
    preset = {"prefix": "uk/", "constants": {"currency": "GBP", "status": "open"}}
    assert client.call("PUT", "/presets/uk", preset).status == 201
    content = FILE + ROW.format("a", "") + "\n"  # the last row takes the row-wise path

    job = bucket.import_("uk/may.csv", content.encode())

    assert (job["state"], counts(job)) == ("done", (101, 100, 0, 0, 0, 1))
    assert job["dialect"]["constants"] == {"currency": "GBP", "status": "open"}
    shown = client.get("/").json()["items"]
    assert {(each["vatAmount"], each["currency"], each["status"]) for each in shown} == {("190.00", "GBP", "open")}
    assert all(each["derived"] == ["vatAmount"] for each in shown)
    assert counts(bucket.import_("uk/again.csv", content.encode())) == (101, 0, 0, 100, 0, 1)
