"""The mail that tells of an import's end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailroom.deploy import setup
from mailroom.errors import InvalidSetting
from mailroom.invoices import worker as working
from mailroom.services import Services
from tests.integration.invoices.files import Bucket, csv, line


@pytest.fixture
def told(make_services: Callable[..., Services]) -> Bucket:
    services = make_services(import_notify="accounts@example.com")
    setup.run(services, lambda line: None)
    return Bucket(services)


def test_each_end_of_an_import_is_one_queued_mail(told: Bucket):
    told.import_("may.csv", csv(line(1)))
    told.import_("bad.csv", b"")
    told.run()

    mails = list(told.services.database["notifications"].find())
    assert sorted(mail["subject"] for mail in mails) == ["Import done: may.csv", "Import failed: bad.csv"]
    assert {mail["state"] for mail in mails} == {"queued"}


def test_a_mail_that_cannot_be_stored_does_not_affect_the_import(told: Bucket, monkeypatch: pytest.MonkeyPatch):
    from mailroom.notifications.outbox.accept import Submissions

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no outbox")

    with monkeypatch.context() as broken:
        broken.setattr(Submissions, "accept", fail)
        assert told.import_("may.csv", csv(line(1)))["state"] == "done"
    assert _subjects(told) == []
    told.run()
    assert _subjects(told) == ["Import done: may.csv"]


def test_an_end_announced_twice_is_one_mail(told: Bucket):
    told.import_("may.csv", csv(line(1)))
    # As if the worker had died between storing the mail and removing the mark.
    told.services.database["imports"].update_many({}, {"$set": {"unannounced": True}})
    told.run()
    assert _subjects(told) == ["Import done: may.csv"]
    assert told.services.database["imports"].count_documents({"unannounced": True}) == 0


def test_an_invalid_address_is_named_at_start(make_services: Callable[..., Services]):
    with pytest.raises(InvalidSetting, match="IMPORT_NOTIFY"):
        working.create_worker(make_services(import_notify="nobody"))


def _subjects(bucket: Bucket) -> list[str]:
    return [mail["subject"] for mail in bucket.services.database["notifications"].find().sort("_id", 1)]
