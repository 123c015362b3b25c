"""Suppressions for one topic, and for all mail."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from mailroom.deploy import setup
from tests.integration.notifications.conftest import Mail

ANNA = "anna@example.com"


def suppress(mail: Mail, address: str = ANNA, **more: str) -> dict[str, object]:
    answer = mail.client.post({"address": address, **more}, "/suppressions")
    assert answer.status == 200, answer.body
    found: dict[str, object] = answer.body
    return found


def topics(mail: Mail, **query: str) -> list[str | None]:
    return [each["topic"] for each in mail.client.get("/suppressions", **query).body["items"]]


def test_an_address_is_listed_once_for_each_topic_and_once_for_all_mail(mail: Mail) -> None:
    assert suppress(mail, topic="news")["topic"] == "news"
    assert suppress(mail)["topic"] is None
    suppress(mail, "Anna@example.com", topic="news")
    suppress(mail, topic="offers")
    suppress(mail, "ben@example.com", topic="news")

    assert topics(mail, address=ANNA) == ["offers", None, "news"]
    assert topics(mail, topic="news") == ["news", "news"]
    assert topics(mail, topic="news", address=ANNA) == ["news"]
    assert topics(mail) == ["news", "offers", None, "news"]
    page = mail.client.get("/suppressions", topic="news", limit="1").body
    assert page["items"][0]["address"] == "ben@example.com"
    rest = mail.client.get("/suppressions", topic="news", cursor=page["nextCursor"]).body
    assert [each["address"] for each in rest["items"]] == [ANNA]


def test_an_address_is_taken_off_the_list_for_one_topic_or_for_all_mail(mail: Mail) -> None:
    suppress(mail, topic="news")
    suppress(mail)

    def remove(**query: str) -> int:
        return mail.client.call("DELETE", f"/suppressions/{ANNA}", query=query).status

    assert remove(topic="offers") == 404
    assert remove() == 200
    assert topics(mail) == ["news"]
    assert remove() == 404
    assert remove(topic="news") == 200
    assert topics(mail) == []


@pytest.mark.parametrize("topic", ["", " ", "a b", "Ümlaut", "x" * 65, "-a", "a\n"])
def test_a_topic_is_a_short_word(mail: Mail, topic: str) -> None:
    refused = mail.client.post({"address": ANNA, "topic": topic}, "/suppressions")

    assert (refused.status, refused.body["field"], refused.body["code"]) == (422, "topic", "topic.invalid")
    assert topics(mail) == []


def test_set_up_replaces_the_index_of_one_entry_for_each_address(mail: Mail) -> None:
    """An entry of an earlier version has no topic: it goes on stopping all mail."""
    suppressions = mail.services.database["suppressions"]
    suppressions.drop_indexes()
    suppressions.create_index("key", name="address", unique=True)
    earlier = {"key": ANNA, "address": ANNA, "reason": "r", "notificationId": None, "createdAt": datetime.now(UTC)}
    suppressions.insert_one({"_id": ObjectId(), **earlier})

    setup.run(mail.services, lambda _: None)

    assert topics(mail, address=ANNA) == [None]
    suppress(mail, topic="news")
    suppress(mail)
    assert topics(mail) == ["news", None]
    assert "address" not in suppressions.index_information()
    for again in (earlier, earlier | {"topic": "news"}):
        with pytest.raises(DuplicateKeyError):
            suppressions.insert_one({"_id": ObjectId(), **again})
    refused = mail.client.post({"emailTo": ANNA, "subject": "s", "message": "m"})
    assert (refused.status, refused.body["state"]) == (422, "suppressed")


def test_without_set_up_a_topic_is_not_taken_for_listed(mail: Mail) -> None:
    suppressions = mail.services.database["suppressions"]
    suppressions.drop_indexes()
    suppressions.create_index("key", name="address", unique=True)
    suppress(mail)

    refused = mail.client.post({"address": ANNA, "topic": "news"}, "/suppressions")

    assert (refused.status, refused.body["code"]) == (503, "service.not_set_up")
