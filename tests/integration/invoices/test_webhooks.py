"""What imports announce to webhooks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mailroom.deploy import setup
from mailroom.services import Services
from mailroom.webhooks import announcements
from mailroom.webhooks.announcements import ANNOUNCEMENTS
from mailroom.webhooks.model import EventType
from mailroom.webhooks.payloads import payload
from tests.integration.invoices.files import Bucket, csv, line


@pytest.fixture
def bucket(make_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setattr(announcements, "CACHE_SECONDS", -1.0)
    services = make_services()
    setup.run(services, lambda line: None)
    services.database["webhooks"].insert_one({"events": list(EventType), "enabled": True})
    return Bucket(services)


def events(bucket: Bucket, key: str) -> list[dict[str, Any]]:
    """The payloads that the last import of `key` announces."""
    document = bucket.services.database["imports"].find_one({"key": key}, sort=[("createdAt", -1)])
    assert document is not None
    return [json.loads(payload("imports", document, each)) for each in document.get(ANNOUNCEMENTS, [])]


def test_each_end_of_an_import_is_announced_with_its_counts(bucket: Bucket):
    bucket.import_("may.csv", csv(line(1)))
    bucket.import_("bad.csv", b"")
    bucket.run()

    [done] = events(bucket, "may.csv")
    assert done["type"] == "import.done"
    assert done["timestamp"].endswith("Z")
    data = done["data"]
    assert {"id", "bucket", "key", "versionId", "state", "counts", "error", "rejects"} == set(data)
    assert (data["key"], data["state"], data["counts"]["inserted"], data["error"]) == ("may.csv", "done", 1, None)
    [failed] = events(bucket, "bad.csv")
    assert (failed["type"], failed["data"]["error"]["code"]) == ("import.failed", "file.empty")


def test_rejected_rows_are_an_event_of_their_own(bucket: Bucket):
    bucket.import_("june.csv", csv(line(1), line(2, gross="wrong")))
    bucket.run()
    done, rejected = events(bucket, "june.csv")
    assert (done["type"], rejected["type"]) == ("import.done", "import.rejected_rows")
    assert rejected["data"]["counts"]["rejected"] == 1
    assert rejected["data"]["rejects"]["bucket"] == bucket.services.settings.rejects_bucket


def test_a_dry_run_announces_nothing(bucket: Bucket):
    version = bucket.services.objects.find(bucket.name, "dry.csv", bucket.put("dry.csv", csv(line(1))))
    bucket.ledger.submit(version, dry_run=True)
    bucket.run()
    assert events(bucket, "dry.csv") == []
