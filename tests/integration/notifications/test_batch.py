"""Many messages in one call."""

from __future__ import annotations

import json

import pytest

from mailroom.notifications.api import sending
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay


def hello(number: int) -> dict[str, object]:
    return {"emailTo": f"a{number}@example.com", "subject": str(number), "message": "<p>x</p>"}


def test_a_batch_of_a_hundred_messages_is_sent(mail: Mail, relay: Relay) -> None:
    answer = mail.client.post({"messages": [hello(number) for number in range(100)]}, "/batch")

    assert (answer.status, answer.body["accepted"], answer.body["refused"]) == (202, 100, 0)
    assert len({each["id"] for each in answer.body["items"]}) == 100
    assert mail.drain() == 100
    assert sorted(int(each.parsed["Subject"]) for each in relay.taken) == list(range(100))
    assert relay.connections <= 5


def test_a_bad_entry_does_not_touch_the_others(mail: Mail) -> None:
    bad = [hello(1) | {"emailTo": "x"}, {"emailTo": "a@example.com"}, 5, hello(4) | {"surprise": 1}]

    answer = mail.client.post({"messages": [hello(0), *bad, hello(5)]}, "/batch")

    items = answer.body["items"]
    assert [each["result"] for each in items] == ["OK", *["FAILED"] * 4, "OK"]
    assert [each.get("field") for each in items[1:4]] == ["emailTo", "subject", None]
    assert (answer.status, answer.body["accepted"], answer.body["refused"]) == (202, 2, 4)
    assert mail.states() == ["queued", "queued"]


def test_whatever_a_template_does_it_is_the_fault_of_its_own_entry(mail: Mail) -> None:
    sources = ["{{ x|truncate(2) }}", "{{ x|join }}", "{{ x.y }}"]
    for number, source in enumerate(sources):
        content = json.dumps({"subject": "s", "text": source}).encode()
        assert mail.client.call("PUT", f"/templates/t{number}", content).status == 201, source
        preview = mail.client.post({"parameters": {"x": 1}}, f"/templates/t{number}/preview")
        assert preview.status == 422, source
    made = [{"emailTo": "a@example.com", "template": {"name": f"t{n}", "parameters": {"x": "abc"}}} for n in range(3)]

    answer = mail.client.post({"messages": [hello(0), *made, hello(6)]}, "/batch")

    assert (answer.status, [each["result"] for each in answer.body["items"]]) == (202, ["OK", *["FAILED"] * 3, "OK"])
    assert mail.client.post(made[0]).body["code"] == "template.failed"
    assert mail.states() == ["queued", "queued"]


def test_a_template_that_was_stored_before_a_rule_fails_its_own_entry(mail: Mail) -> None:
    mail.client.call("PUT", "/templates/old", json.dumps({"subject": "s", "text": "{{ x }}"}).encode())
    mail.services.database["templates"].update_one({}, {"$set": {"content.text": "{{ x.__class__ }}"}})

    old = {"emailTo": "a@example.com", "template": {"name": "old", "parameters": {"x": 1}}}
    answer = mail.client.post({"messages": [hello(0), old]}, "/batch")

    assert [each.get("code") for each in answer.body["items"]] == [None, "template.failed"]


def test_checking_a_batch_has_a_limit(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BATCH_SECONDS", 0.02)
    slow = hello(0) | {"message": "<p>x" * 10_000}

    answer = mail.client.post({"messages": [slow, hello(1)]}, "/batch")

    assert [each.get("code") for each in answer.body["items"]] == [None, "batch.too_long"]


def test_a_repeated_batch_is_accepted_once_although_checking_it_takes_too_long(
    mail: Mail, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, key = {"messages": [hello(0), hello(1)]}, {"Idempotency-Key": "k"}
    first = mail.client.post(batch, "/batch", **key)
    monkeypatch.setattr(sending, "BATCH_SECONDS", 0.0)

    again = mail.client.post(batch, "/batch", **key)

    assert [each["id"] for each in again.body["items"]] == [each["id"] for each in first.body["items"]]


def test_a_batch_of_bad_entries_only_is_refused(mail: Mail) -> None:
    assert mail.client.post({"messages": [{}]}, "/batch").status == 422
    assert mail.states() == []


def test_a_batch_has_1_to_100_messages(mail: Mail) -> None:
    for count in (0, 101):
        answer = mail.client.post({"messages": [hello(n) for n in range(count)]}, "/batch")
        assert (answer.status, answer.body["field"]) == (422, "messages")
    assert mail.client.post({"messages": [], "more": 1}, "/batch").status == 422
    assert mail.client.post([], "/batch").status == 422


def test_a_repeated_batch_is_accepted_once(mail: Mail) -> None:
    first = mail.client.post({"messages": [hello(0), hello(1)]}, "/batch", Idempotency_Key="k")
    second = mail.client.post({"messages": [hello(0), hello(1), hello(2)]}, "/batch", Idempotency_Key="k")
    changed = mail.client.post({"messages": [hello(0), hello(7)]}, "/batch", Idempotency_Key="k")

    assert second.body["items"][:2] == first.body["items"]
    assert [each["result"] for each in changed.body["items"]] == ["OK", "FAILED"]
    assert changed.body["items"][1]["code"] == "idempotency.reused"
    assert len(mail.states()) == 3
