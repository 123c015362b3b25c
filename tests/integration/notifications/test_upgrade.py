"""What an earlier version stored is found as it is looked for now."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from mailroom.deploy import setup
from mailroom.notifications.model import addresses
from mailroom.notifications.outbox import upgrade
from mailroom.platform.mongo import Document
from mailroom.services import Services
from tests.integration.notifications.conftest import Mail

SHARP, DOUBLE = "stra\u00dfe@example.com", "strasse@example.com"
UPPER, LOWER = "J\u00d6RG@b\u00fccher.example.com", "j\u00f6rg@b\u00fccher.example.com"


def earlier_key(shown: str) -> str:
    return unicodedata.normalize("NFC", shown).casefold()


def suppression(shown: str, key: str) -> dict[str, object]:
    return {
        "_id": ObjectId(),
        "key": key,
        "address": shown,
        "reason": "r",
        "notificationId": None,
        "createdAt": datetime.now(UTC),
    }


def run_setup(services: Services) -> list[str]:
    said: list[str] = []
    setup.run(services, said.append)
    return [line for line in said if line.startswith("keys of addresses")]


@pytest.fixture
def stored(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> Mail:
    """Messages as an earlier version stored them, in more than one batch."""
    monkeypatch.setattr(upgrade, "_BATCH", 2)
    with monkeypatch.context() as earlier:
        earlier.setattr(addresses, "key", earlier_key)
        for address in (SHARP, DOUBLE, UPPER, LOWER, "anna@example.com"):
            mail.client.post({"emailTo": address, "subject": "s", "message": "m", "sendAt": "2100-01-01T00:00:00Z"})
    return mail


def test_messages_are_found_by_their_recipients(stored: Mail) -> None:
    assert stored.client.get("/", emailTo=SHARP).body["items"] == []

    assert run_setup(stored.services) == ["keys of addresses: rewritten in 3 notifications and 0 suppressions"]

    for address in (SHARP, DOUBLE, UPPER, LOWER):
        found = stored.client.get("/", emailTo=address).body["items"]
        assert [each["emailTo"] for each in found] == [address]
    assert run_setup(stored.services) == []


def test_a_message_that_an_earlier_function_took_after_set_up_is_found_after_the_next(
    stored: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_setup(stored.services)
    with monkeypatch.context() as earlier:
        earlier.setattr(addresses, "key", earlier_key)
        stored.client.post({"emailTo": SHARP, "subject": "late", "message": "m", "sendAt": "2100-01-01T00:00:00Z"})

    assert run_setup(stored.services) == ["keys of addresses: rewritten in 1 notifications and 0 suppressions"]

    assert [each["subject"] for each in stored.client.get("/", emailTo=SHARP).body["items"]] == ["late", "s"]


def test_a_suppression_stays_also_where_two_meet(mail: Mail) -> None:
    suppressions = mail.services.database["suppressions"]
    suppressions.insert_many(
        [
            suppression(SHARP, earlier_key(SHARP)),
            suppression(UPPER, earlier_key(UPPER)),
            suppression(UPPER, addresses.key(UPPER)),  # added by the new version before set-up ran
            suppression("anna@example.com", "anna@example.com"),
        ]
    )

    topic = suppression(UPPER, earlier_key(UPPER)) | {"topic": "news"}
    suppressions.insert_one(topic)

    assert run_setup(mail.services) == ["keys of addresses: rewritten in 0 notifications and 3 suppressions"]

    assert suppressions.count_documents({"_id": topic["_id"], "key": addresses.key(UPPER)}) == 1
    suppressions.delete_one({"_id": topic["_id"]})

    listed = {each["address"] for each in mail.client.get("/suppressions").body["items"]}
    assert listed == {SHARP, UPPER, "anna@example.com"}
    assert suppressions.count_documents({}) == 3
    for address, count in ((SHARP, 1), (UPPER, 1), (LOWER, 0), (DOUBLE, 0)):
        assert len(mail.client.get("/suppressions", address=address).body["items"]) == count
    assert run_setup(mail.services) == []


def test_an_interrupted_upgrade_goes_on(stored: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    ranges = upgrade._ranges

    def first(*which: Any) -> Iterator[Document]:
        yield next(ranges(*which))
        raise InterruptedError

    monkeypatch.setattr(upgrade, "_ranges", first)
    with pytest.raises(InterruptedError):
        run_setup(stored.services)
    monkeypatch.undo()

    assert run_setup(stored.services) == ["keys of addresses: rewritten in 2 notifications and 0 suppressions"]
