"""A repeated call with the same Idempotency-Key counts once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from pymongo.collection import Collection

from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, reply, slow

HELLO = {"emailTo": "anna@example.com", "subject": "Hello", "message": "<p>x</p>"}


def test_a_repeat_gets_the_first_answer(mail: Mail, relay: Relay) -> None:
    first = mail.client.post(HELLO, Idempotency_Key="k1")
    second = mail.client.post(dict(reversed(HELLO.items())), Idempotency_Key="k1")

    assert (second.status, second.body) == (first.status, first.body)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(relay.taken) == 1


def test_a_repeat_gets_the_first_answer_when_that_was_queued(mail: Mail, relay: Relay) -> None:
    first = mail.client.post(HELLO, Idempotency_Key="k1", Prefer="respond-async")
    mail.drain()
    second = mail.client.post(HELLO, Idempotency_Key="k1")

    assert (second.status, second.body) == (first.status, first.body) == (202, first.body)
    assert len(relay.taken) == 1


def test_a_repeat_gets_the_first_answer_when_that_was_a_refusal(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("550 no"))
    first = mail.client.post(HELLO, Idempotency_Key="k1")
    second = mail.client.post(HELLO, Idempotency_Key="k1")

    assert (second.status, second.body) == (first.status, first.body) == (422, first.body)


@pytest.mark.parametrize("later", ["sent", "failed"])
def test_a_repeat_gets_the_first_answer_when_that_was_deferred(mail: Mail, relay: Relay, later: str) -> None:
    relay.on("rcpt", reply("450 later"))
    first = mail.client.post(HELLO, Idempotency_Key="k1")
    second = mail.client.post(HELLO, Idempotency_Key="k1")
    if later == "failed":
        relay.on("rcpt", reply("550 no"))
    mail.collection.update_many({}, [{"$set": {"dueAt": "$$NOW"}}])
    mail.drain()
    third = mail.client.post(HELLO, Idempotency_Key="k1")

    assert mail.states() == [later]
    assert first.status == 202
    assert (second.status, second.body) == (third.status, third.body) == (first.status, first.body)


def test_another_body_is_refused(mail: Mail, relay: Relay) -> None:
    mail.client.post(HELLO, Idempotency_Key="k1")
    answer = mail.client.post(HELLO | {"subject": "Bye"}, Idempotency_Key="k1")

    assert (answer.status, answer.body["code"]) == (422, "idempotency.reused")
    assert len(relay.taken) == 1


def test_keys_of_different_callers_do_not_meet(mail: Mail, relay: Relay) -> None:
    mail.client.post(HELLO, Idempotency_Key="k1")
    mail.client.key = mail.services.keys.create("other", ["notifications:send"]).text
    mail.client.post(HELLO, Idempotency_Key="k1")

    assert len(relay.taken) == 2


def test_a_key_is_forgotten_after_a_day(mail: Mail, relay: Relay) -> None:
    mail.client.post(HELLO, Idempotency_Key="k1")
    [document] = mail.collection.find()
    day = timedelta(hours=24, seconds=1)
    mail.collection.update_one({}, {"$set": {"createdAt": document["createdAt"] - day}})

    assert mail.client.post(HELLO | {"subject": "Next day"}, Idempotency_Key="k1").status == 200
    assert len(relay.taken) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "ü", "a\tb"])
def test_a_bad_key_is_refused(mail: Mail, key: str) -> None:
    assert mail.client.post(HELLO, Idempotency_Key=key).body["field"] == "Idempotency-Key"


def test_a_repeat_while_the_first_call_is_running_is_told_to_wait(mail: Mail, relay: Relay) -> None:
    arrived, go = threading.Event(), threading.Event()

    async def fault(peer: Any) -> str | None:
        arrived.set()
        return await slow(go)(peer)

    relay.on("content", fault)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(mail.client.post, HELLO, Idempotency_Key="k1")
        assert arrived.wait(5)
        second = mail.client.post(HELLO, Idempotency_Key="k1")
        go.set()

    assert (second.status, second.body["code"]) == (409, "idempotency.in_flight")
    assert first.result().status == 200
    assert mail.client.post(HELLO, Idempotency_Key="k1").body == first.result().body


def test_100_calls_at_once_with_one_key_are_one_message(mail: Mail, relay: Relay) -> None:
    with ThreadPoolExecutor(20) as threads:
        calls = [threads.submit(mail.client.post, HELLO, Idempotency_Key="k1") for _ in range(100)]
        answers = [each.result() for each in calls]

    good = [each for each in answers if each.status == 200]
    assert good
    assert len({each.body["id"] for each in good}) == 1
    assert {each.status for each in answers} <= {200, 409}
    assert len(relay.taken) == 1
    assert mail.states() == ["sent"]


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "k1"}])
def test_a_write_that_the_driver_repeats_is_one_message_and_no_repeated_call(
    mail: Mail, relay: Relay, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """The answer was lost, and a server without retryable writes refuses the second write."""
    once = Collection.insert_many

    def twice(*arguments: Any, **options: Any) -> Any:
        once(*arguments, **options)
        return once(*arguments, **options)

    monkeypatch.setattr(Collection, "insert_many", twice)
    answer = mail.client.post(HELLO, **headers)

    assert (answer.status, answer.body["status"]) == (200, "sent")
    assert "Idempotency-Replayed" not in answer.headers
    assert len(relay.taken) == 1
