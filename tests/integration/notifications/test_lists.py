"""Lists of messages, and one message."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from mailroom.platform.clock import rfc3339
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, reply, slow
from tests.support.waiting import eventually

HELLO = {"emailTo": "anna@example.com", "subject": "Hello", "message": "<p>x</p>"}


def test_messages_are_listed_newest_first_page_by_page(mail: Mail) -> None:
    sent = [mail.client.post(HELLO).body["id"] for _ in range(5)]

    first = mail.client.get(limit="3").body
    second = mail.client.get(limit="3", cursor=first["nextCursor"]).body

    assert [each["id"] for each in first["items"] + second["items"]] == sent[::-1]
    assert second["nextCursor"] is None
    assert first["items"][0]["emailTo"] == "anna@example.com"
    assert first["items"][0]["status"] == "sent"
    assert first["items"][0]["error"] is None


@pytest.mark.parametrize(
    "query", [{}, {"status": "queued"}, {"emailTo": "anna@example.com"}, {"tag": "t"}, {"from": "2020-01-01T00:00:00Z"}]
)
def test_messages_accepted_at_one_time_are_each_on_one_page(mail: Mail, query: dict[str, str]) -> None:
    for _ in range(2):
        batch = mail.client.post({"messages": [HELLO | {"tags": ["t"]}] * 5}, "/batch").body
        assert batch["accepted"] == 5
    wanted = [str(each["_id"]) for each in mail.collection.find().sort([("createdAt", -1), ("_id", -1)])]

    found, cursor = [], {}
    while True:
        page = mail.client.get(limit="3", **query, **cursor).body
        found += [each["id"] for each in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}

    assert found == wanted


def test_every_combination_of_filters_lists_the_matching_messages(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("550 no"))
    failed = mail.client.post(HELLO).body["id"]
    sent = mail.client.post(HELLO | {"emailTo": ["bert@example.com", "Anna@example.com"]}).body["id"]
    other = mail.client.post(HELLO | {"emailTo": "carl@example.com"}).body["id"]
    created = mail.collection.find_one(sort=[("_id", -1)])
    assert created is not None
    soon = rfc3339(created["createdAt"] + timedelta(minutes=1))
    ago = rfc3339(created["createdAt"] - timedelta(minutes=1))
    filters = {
        "status": ("sent", {sent, other}),
        "emailTo": ("ANNA@EXAMPLE.com", {failed, sent}),
        "from": (ago, {failed, sent, other}),
        "to": (soon, {failed, sent, other}),
    }
    for count in range(5):
        for names in itertools.combinations(filters, count):
            found = mail.client.get(**{name: filters[name][0] for name in names}).body["items"]
            wanted = {failed, sent, other}.intersection(*(filters[name][1] for name in names))
            assert {each["id"] for each in found} == wanted, names
    assert mail.client.get(to=ago).body["items"] == []
    assert mail.client.get(**{"from": soon}).body["items"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "gone"),
        ("emailTo", "x"),
        ("from", "yesterday"),
        ("limit", "0"),
        ("cursor", "x"),
        ("subject", "Hello"),
    ],
)
def test_a_bad_filter_is_named(mail: Mail, name: str, value: str) -> None:
    answer = mail.client.get(**{name: value})

    assert (answer.status, answer.body["field"]) == (422, name)


def test_a_message_shows_its_attempts(mail: Mail) -> None:
    message = mail.client.post(HELLO).body["id"]

    one = mail.client.get(f"/{message}").body

    assert one["recipients"] == [
        {
            "address": "anna@example.com",
            "kind": "to",
            "status": "sent",
            "code": 250,
            "text": "taken",
            "delivery": None,
        }
    ]
    assert (one["html"], one["text"], one["attemptCount"]) == ("<p>x</p>", "x", 1)
    assert [each["step"] for each in one["attempts"][0]["steps"]] == ["connect", "mail", "rcpt", "data", "content"]
    assert mail.client.get("/000000000000000000000000").status == 404
    assert mail.client.get("/x").status == 404


def test_a_message_in_delivery_is_sending_until_its_result_is_stored(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(smtp_data_timeout_seconds=20.0)
    go = threading.Event()
    relay.on("rcpt", reply("450 later"), recipient="bert@example.com")
    relay.on("content", slow(go))
    sending, deferred = (
        mail.client.post(HELLO | {"emailTo": to}, Prefer="respond-async").body["id"]
        for to in ("anna@example.com", "bert@example.com")
    )

    def found(**query: str) -> set[str]:
        return {each["id"] for each in mail.client.get(**query).body["items"]}

    with ThreadPoolExecutor(1) as pool:
        drain = pool.submit(mail.drain)
        try:
            mail.wait_for_state(sending, "sending")
            eventually(lambda: mail.client.get(f"/{deferred}").body["attemptCount"] == 1)
            assert (found(status="sending"), found(status="queued")) == ({sending}, {deferred})
            assert found(status="sending", emailTo="anna@example.com") == {sending}
            assert found(status="queued", emailTo="anna@example.com") == set()
            assert mail.states() == ["queued", "sending"]
            counts = mail.client.get("/counts").body["counts"]
            assert (counts["queued"], counts["sending"], sum(counts.values())) == (1, 1, 2)
            assert mail.client.post(None, f"/{sending}/cancel").status == 409
            # The other message is finished, although both were claimed together.
            assert mail.client.post(None, f"/{deferred}/cancel").status == 200
            assert mail.client.call("DELETE", "/", query={"emailTo": "anna@example.com"}).body == {
                "erased": 0,
                "left": 1,
            }
        finally:
            go.set()
        drain.result()

    assert mail.states() == ["cancelled", "sent"]
    assert found(status="sending") == set()
