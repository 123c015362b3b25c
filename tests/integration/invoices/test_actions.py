"""Cancel, retry, undo, dry runs, limits of rejects, rules per folder, uploads by a form."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO

import pytest
import urllib3
from bson import ObjectId

from mailroom.errors import LeaseLost
from mailroom.invoices.app import create_app
from mailroom.platform.api_keys import SCOPES
from mailroom.services import Services
from tests.integration.invoices.files import HEADER, Bucket, bucket_with, counts, csv, line
from tests.support.client import Client


class Accountant(Client):
    """Calls the function `invoices` with a key for everything."""

    def __init__(self, services: Services) -> None:
        super().__init__(create_app(services), services.keys.create("test", list(SCOPES)).text)

    def __call__(self, method: str, path: str, body: object = b"") -> tuple[int, dict]:
        answer = self.call(method, path, body)
        return answer.status, answer.json()


@pytest.fixture
def client(services: Services) -> Accountant:
    return Accountant(services)


def test_a_cancelled_import_fences_its_worker_and_can_be_retried(bucket: Bucket, client: Accountant):
    import_id = bucket.submit("may.csv", csv(line(1), line(2)))
    job = bucket.ledger.claim()
    assert job is not None

    status, shown = client("POST", f"/imports/{import_id}/cancel")

    assert (status, shown["state"]) == (200, "cancelled")
    with pytest.raises(LeaseLost):
        bucket.ledger.checkpoint(job, job.checkpoint, {})
    bucket.run()
    assert bucket.invoices() == []
    assert client("POST", f"/imports/{import_id}/cancel")[0] == 409
    assert client("POST", f"/imports/{import_id}/undo")[1]["code"] == "import.stopping"

    assert client("POST", f"/imports/{import_id}/retry") == (202, {"id": import_id})
    bucket.run()
    assert counts(bucket.job(import_id)) == (2, 2, 0, 0, 0, 0)
    assert client("POST", f"/imports/{import_id}/retry")[0] == 409


def test_undo_deletes_what_the_import_inserted_and_nobody_changed(bucket: Bucket, client: Accountant):
    bucket.import_("first.csv", csv(line(1)))
    job = bucket.import_("second.csv", csv(line(1, status="paid"), line(2), line(3)))
    bucket.import_("third.csv", csv(line(3, status="paid")))

    status, undone = client("POST", f"/imports/{job['_id']}/undo")

    assert (status, undone) == (200, {"deleted": 1, "left": 2, "complete": True})
    assert {each["invoiceNumber"] for each in bucket.invoices()} == {"1", "3"}
    assert client("GET", f"/imports/{job['_id']}")[1]["state"] == "undone"
    assert client("POST", f"/imports/{job['_id']}/undo")[1] == undone
    assert client("POST", f"/imports/{job['_id']}/retry")[0] == 409


def test_undo_counts_on_after_a_crash(bucket: Bucket, client: Accountant):
    job = bucket.import_("may.csv", csv(*(line(n) for n in range(30))))
    ids = [each["_id"] for each in bucket.invoices()]
    # As after a crash between a deletion and its count.
    begun = {"state": "undone", "undo": {"deleted": 5, "piece": ids[5:15], "endedBy": "done"}}
    bucket.services.database["imports"].update_one({"_id": job["_id"]}, {"$set": begun})
    bucket.services.database["invoices"].delete_many({"_id": {"$in": ids[:10]}})

    assert client("POST", f"/imports/{job['_id']}/undo")[1] == {"deleted": 30, "left": 0, "complete": True}


@pytest.mark.parametrize("path", ["cancel", "retry", "undo"])
def test_an_action_on_an_unknown_import_is_404(client: Client, path: str):
    assert client("POST", f"/imports/{ObjectId()}/{path}")[0] == 404


def test_a_dry_run_predicts_the_real_run_and_writes_nothing(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, import_batch_rows=3)
    client = Accountant(bucket.services)
    bucket.import_("old.csv", csv(*(line(n, status="old") for n in range(0, 30, 4))))
    rows = [line(n, gross="x" if n % 9 == 2 else "119.00") for n in range(30)]
    rows += [line(n, status="again") for n in range(0, 30, 3)] + [line(5), line(1)]
    bucket.put("new.csv", csv(*rows))
    bucket.import_("newest.csv", csv(*(line(n, status="newest") for n in range(0, 30, 5))))
    before = bucket.invoices()

    body = {"bucket": bucket.name, "key": "new.csv"}
    dry = client("POST", "/imports", {**body, "dryRun": True})[1]["id"]
    bucket.run()

    predicted = bucket.job(dry)
    assert bucket.invoices() == before
    assert predicted["state"] == "done"
    assert predicted["rejects"] is None
    real = client("POST", "/imports", body)[1]["id"]
    assert real != dry
    bucket.run()
    assert counts(bucket.job(real)) == counts(predicted)
    assert all(counts(predicted))
    assert client("POST", f"/imports/{dry}/undo")[0] == 409
    assert client("GET", f"/imports/{dry}")[1]["dryRun"] is True


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        ({"import_max_rejects": 2}, "done"),
        ({"import_max_rejects": 1}, "failed"),
        ({"import_max_rejects_percent": 50.0}, "done"),
        ({"import_max_rejects_percent": 49.0}, "failed"),
    ],
)
def test_too_many_rejects_fail_an_import_which_still_has_its_rejects_file(
    make_services: Callable[..., Services], settings: dict[str, object], state: str
):
    bucket = bucket_with(make_services, **settings)
    job = bucket.import_("may.csv", csv(line(1), line(2, gross="x"), line(3, gross="y"), line(4)))

    assert job["state"] == state
    assert counts(job) == (4, 2, 0, 0, 0, 2)
    assert (job["error"] or {"code": "rejects.too_many"})["code"] == "rejects.too_many"
    assert len(bucket.rejects(job["rejects"]["key"]).splitlines()) == 3


def test_an_import_of_which_every_row_is_rejected_has_failed(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services)
    job = bucket.import_("may.csv", csv(line(1, gross="x"), line(2, gross="y")))
    assert (job["state"], job["error"]["code"]) == ("failed", "rejects.all")
    assert counts(job) == (2, 0, 0, 0, 0, 2)
    assert len(bucket.rejects(job["rejects"]["key"]).splitlines()) == 3
    assert bucket.import_("empty.csv", csv())["state"] == "done"


def test_the_rejects_file_is_capped_and_says_so(make_services: Callable[..., Services]):
    bucket = bucket_with(make_services, import_rejects_kept=5, import_batch_rows=3)
    job = bucket.import_("may.csv", csv(*(line(n, gross="x") for n in range(20))))
    assert counts(job) == (20, 0, 0, 0, 0, 20)
    assert len(bucket.rejects(job["rejects"]["key"]).splitlines()) == 1 + 5
    assert job["rejects"]["omitted"] == 15
    shown = Accountant(bucket.services)("GET", f"/imports/{job['_id']}")[1]
    assert shown["rejects"]["omitted"] == 15


def test_a_folder_has_its_own_rules_and_the_longest_prefix_wins(make_services: Callable[..., Services]):
    profiles = {"us/": {"dateOrder": "mdy"}, "us/odd/": {"dateOrder": "dmy", "aliases": {"Nr": "invoiceNumber"}}}
    bucket = bucket_with(make_services, import_profiles=json.dumps(profiles))
    text = csv(line(1).replace("2024-01-31", "02/03/2024")).decode()

    assert bucket.import_("eu/may.csv", text.encode())["error"]["code"] == "dialect.ambiguous_date"
    assert bucket.import_("us/may.csv", text.encode())["state"] == "done"
    assert bucket.invoices()[0]["invoiceDate"].month == 2
    odd = text.replace("invoiceNumber", "Nr").replace("\n1,", "\n2,")
    assert bucket.import_("us/odd/may.csv", odd.encode())["state"] == "done"
    assert {each["invoiceDate"].month for each in bucket.invoices()} == {2, 3}


@pytest.mark.parametrize(("mapping", "code"), [('{"Betreff": "invoiceNumber"}', None), ("{", "metadata.invalid")])
def test_object_metadata_can_map_columns(bucket: Bucket, mapping: str, code: str | None):
    body = (HEADER.replace("invoiceNumber", "Betreff") + line(1)).encode()
    bucket.services.objects.client.put_object(
        bucket.name, "may.csv", BytesIO(body), len(body), metadata={"columns": mapping}
    )
    import_id = str(bucket.ledger.submit(bucket.services.objects.find(bucket.name, "may.csv"))[0])
    bucket.run()
    assert (bucket.job(import_id)["error"] or {"code": None})["code"] == code


def test_a_form_uploads_within_its_prefix_and_size(bucket: Bucket, client: Accountant):
    _, form = client("POST", "/uploads", {"keyPrefix": "acme/", "maxBytes": 500})

    def upload(key: str, body: bytes) -> int:
        fields = [*form["fields"].items(), ("key", key), ("file", ("may.csv", body))]
        return urllib3.request("POST", form["url"], fields=fields, retries=False).status

    assert upload("acme/may.csv", csv(line(1))) == 204
    assert bucket.services.objects.find(bucket.name, "acme/may.csv").size == len(csv(line(1)))
    assert upload("other/may.csv", csv(line(1))) == 403
    assert upload("acme/big.csv", b"x" * 501) == 400


def test_the_empty_file_to_fill_in_has_the_header(client: Client):
    assert client.get("/template.csv").body.decode().strip() == HEADER.strip()


@pytest.mark.parametrize(
    "settings", [{"import_decimal_mark": ","}, {"import_profiles": '{"de/": {"decimalMark": ","}}'}, {}]
)
def test_an_export_is_imported_as_it_is_whatever_the_decimal_mark(
    make_services: Callable[..., Services], settings: dict[str, str]
):
    bucket = bucket_with(make_services, **settings)
    kuwait = line(2).replace("EUR", "KWD").replace("119.00,100.00,19.00", "119.500,100.250,19.250")
    rows = csv(line(1), kuwait).replace(b",status", b",status,_decimal_mark=.").replace(b",open", b",open,")
    assert counts(bucket.import_("may.csv", rows)) == (2, 2, 0, 0, 0, 0)
    client = Accountant(bucket.services)

    again = bucket.import_("de/again.csv", client.get("/export").body)

    assert counts(again) == (2, 0, 0, 2, 0, 0)


def test_a_status_of_a_folder_can_be_given_by_hand(make_services: Callable[..., Services]):
    bucket = bucket_with(
        make_services, import_statuses="open,paid", import_profiles='{"de/": {"statuses": ["offen", "bezahlt"]}}'
    )
    bucket.import_("de/may.csv", csv(line(1, status="offen")))
    [invoice] = bucket.invoices()
    client = Accountant(bucket.services)
    for status, answered in (("bezahlt", 200), ("paid", 200), ("lost", 422)):
        answer = client.call("PATCH", f"/{invoice['_id']}", {"status": status}, headers={"If-Match": "*"})
        assert answer.status == answered, status
