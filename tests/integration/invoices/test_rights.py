"""Each function of the importer works with the MongoDB rights that it has in production."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from mailroom.deploy import setup
from mailroom.deploy.permissions import MONGODB
from mailroom.invoices import app as serving
from mailroom.invoices.imports.ledger import Ledger
from mailroom.invoices.presets.preset import Preset
from mailroom.invoices.presets.store import Presets
from mailroom.keys.codes import LoginCodes
from mailroom.services import Services
from tests.integration.invoices.files import Bucket, counts, csv, line
from tests.integration.invoices.test_events import event
from tests.support.client import Client
from tests.support.commands import RECORDER

BAD = line(3).replace("119.00", "oops")


def test_invoice_events_may_do_its_work_and_nothing_else(bucket: Bucket):
    body = event(bucket, "may.csv", bucket.put("may.csv", csv(line(1))))
    with RECORDER.of("invoice-events") as used:
        assert bucket.webhook(body)["statusCode"] == 200
        assert bucket.webhook(body)["statusCode"] == 200
    assert ("imports", "insert") in used


def test_invoice_importer_may_do_its_work_and_nothing_else(make_services: Callable[..., Services]):
    services = make_services(import_notify="accounts@example.com", import_batch_rows=2)
    setup.run(services, lambda line: None)
    bucket = Bucket(services)
    bucket.submit("may.csv", csv(line(1), line(2), BAD))
    with RECORDER.of("invoice-importer"):
        bucket.run()
    version = services.objects.find(
        bucket.name, "may.csv", bucket.put("may.csv", csv(line(1), line(2, status="paid"), BAD))
    )
    trial = Ledger.of(services.database, services.settings).submit(version, dry_run=True)[0]
    with RECORDER.of("invoice-importer"):
        bucket.run()
    assert counts(bucket.job(str(trial)))[:4] == (3, 0, 1, 1)
    Ledger.of(services.database, services.settings).submit(version, force=True)
    with RECORDER.of("invoice-importer") as used:
        bucket.compare()
    bucket.submit("differs.csv", csv(*(line(n) for n in range(7, 12)), line(7, status="paid")))
    with RECORDER.of("invoice-importer") as compared:
        bucket.run()
    assert {("comparisons", "insert"), ("comparisons", "update"), ("comparisons", "remove")} <= compared
    assert {("invoices", "update"), ("rejects", "insert"), ("cursors", "update"), ("notifications", "insert")} <= used


def test_invoice_importer_may_read_presets(make_services: Callable[..., Services]):
    services = make_services(import_batch_rows=2)
    setup.run(services, lambda line: None)
    bucket = Bucket(services)
    Presets(services.database).save("all", Preset(prefix=""), "command")
    bucket.submit("may.csv", csv(line(1), line(2), line(3)))
    with RECORDER.of("invoice-importer") as used:
        bucket.run()
    assert ("presets", "find") in used


def test_invoices_may_do_its_work_and_nothing_else(bucket: Bucket):
    done = bucket.import_("may.csv", csv(line(1), line(2)))
    bad = bucket.import_("bad.csv", csv(BAD))
    [id_, _] = [str(each["_id"]) for each in bucket.invoices()]
    key = bucket.services.keys.create("all", ["invoices:read", "invoices:write"])
    with RECORDER.of("invoices") as used:
        client = Client(serving.create_app(bucket.services), key.text)
        for path in ("/", "/totals", "/export", f"/{id_}", "/imports", f"/imports/{done['_id']}", "/template.csv"):
            assert client.get(path).status == 200, path
        assert client.get(f"/{id_}/source").status == 200
        assert client.get("/", importId=str(done["_id"])).status == 200
        assert client.call("PATCH", f"/{id_}", {"status": "paid"}, headers={"If-Match": "*"}).status == 200
        assert client.call("POST", "/imports", {"bucket": bucket.name, "key": "may.csv", "force": True}).status == 202
        again = json.loads(client.get("/imports", state="pending").body)["items"][0]["id"]
        assert client.call("POST", f"/imports/{again}/cancel").status == 200
        assert client.call("POST", f"/imports/{again}/retry").status == 202
        assert client.call("POST", f"/imports/{done['_id']}/undo").status == 200
        assert client.call("POST", "/uploads").status == 201
        assert client.call("PUT", "/presets/acme", {"prefix": ""}).status == 201
        for path in ("/presets", "/presets/acme", "/presets/acme/versions"):
            assert client.get(path).status == 200, path
        start = {"bucket": bucket.name, "key": "may.csv", "preset": "acme", "force": True}
        assert client.call("POST", "/imports", start).status == 202
        assert client.call("POST", "/preview", {"bucket": bucket.name, "key": "may.csv"}).status == 200
        assert client.call("DELETE", "/presets/acme").status == 200
        corrected = {"rows": [{"row": 1, "values": {"grossAmount": "119.00"}}]}
        once = {"Idempotency-Key": "one"}
        assert client.call("POST", f"/imports/{bad['_id']}/corrections", corrected, headers=once).status == 201
        for path in ("rejects", "rejects.csv", "versions", "undo"):
            assert client.get(f"/imports/{bad['_id']}/{path}").status == 200, path
        for path in ("imports", "invoices", "waiting"):
            assert client.get(f"/figures/{path}").status == 200, path
        assert client.call("POST", "/files", csv(line(8)), {"key": "more.csv"}).status == 201
    assert ("rejects", "find") in used
    assert {("presets", "insert"), ("presets", "find")} <= used
    assert {("invoices", "remove"), ("invoices", "update"), ("imports", "insert"), ("apiKeys", "find")} <= used


def test_invoices_may_look_at_the_health(bucket: Bucket):
    key = bucket.services.keys.create("all", ["operations:read"])
    bucket.submit("may.csv", csv(line(1)))
    with RECORDER.of("invoices") as used:
        assert Client(serving.create_app(bucket.services), key.text).get("/health").status == 200
    assert {("workers", "find"), ("imports", "find")} <= used


def test_invoices_may_make_list_and_revoke_keys(bucket: Bucket):
    services = bucket.services
    key = services.keys.create("all", ["invoices:read", "keys:manage"])
    with RECORDER.of("invoices") as used:
        client = Client(serving.create_app(services), key.text)
        body = {"name": "other", "scopes": ["keys:manage"]}
        made = [client.call("POST", "/keys", body, headers={"Idempotency-Key": each}) for each in ("a", "b", "b")]
        assert [each.status for each in made] == [201, 201, 409]
        assert client.get("/keys").status == client.get("/keys", sessions="true").status == 200
        for each in made[:2]:
            assert client.call("DELETE", f"/keys/{each.json()['id']}").status == 204
    assert {("apiKeys", "insert"), ("apiKeys", "update"), ("keyGuards", "insert"), ("keyGuards", "update")} <= used


def test_invoices_alone_may_write_keys():
    writers = {
        name for name, rights in MONGODB.items() if {"insert", "update", "remove"} & {*rights.get("apiKeys", ())}
    }
    assert writers == {"invoices"}
    assert "remove" not in MONGODB["invoices"]["apiKeys"]
    others = [rights for name, rights in MONGODB.items() if name != "invoices"]
    assert not any({"loginCodes", "keyGuards"} & rights.keys() for rights in others)
    assert "insert" not in MONGODB["invoices"]["loginCodes"]  # a command makes the codes


def test_invoices_may_start_move_and_end_sessions(bucket: Bucket):
    services = bucket.services
    key = services.keys.create("all", ["invoices:read"])
    code = LoginCodes(services.database, services.clock).create("x", ["invoices:read"], timedelta(minutes=5))
    with RECORDER.of("invoices") as used:
        app = serving.create_app(services)
        assert Client(app, "").call("POST", "/sessions", {"code": code}).status == 201
        session = Client(app, Client(app, key.text).call("POST", "/sessions").json()["token"])
        services.database["apiKeys"].update_many({}, {"$set": {"idleExpiresAt": soon()}})
        assert session.get("/sessions/current").status == 200
        assert session.call("DELETE", "/sessions/current").status == 204
    assert {("apiKeys", "insert"), ("apiKeys", "update"), ("loginCodes", "update")} <= used


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


def test_invoice_importer_may_announce_to_webhooks(make_services: Callable[..., Services]):
    services = make_services()
    setup.run(services, lambda line: None)
    services.database["webhooks"].insert_one({"events": ["import.done"], "enabled": True})
    bucket = Bucket(services)
    submitted = bucket.submit("may.csv", csv(line(1)))
    with RECORDER.of("invoice-importer") as used:
        bucket.run()
    assert ("webhooks", "find") in used
    assert [each["type"] for each in bucket.job(submitted)["announcements"]] == ["import.done"]
