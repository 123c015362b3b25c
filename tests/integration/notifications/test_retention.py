"""Retention: what is erased, and when."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from mailroom.notifications.outbox.retention import SWEEP_ID
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, call

FILES = [{"filename": "x", "content": base64.b64encode(b"secret").decode()}]
HELLO = {
    "emailTo": "a@example.com",
    "subject": "Hello",
    "message": "<p>secret</p>",
    "attachments": FILES,
    "headers": {"X-A": "secret"},
}


def age(mail: Mail, days: int) -> None:
    """Makes every message older."""
    for document in mail.collection.find():
        then = document["createdAt"] - timedelta(days=days)
        mail.collection.update_one({"_id": document["_id"]}, {"$set": {"createdAt": then, "bodySince": then}})
    mail.services.database["cursors"].delete_one({"_id": SWEEP_ID})


def test_old_bodies_are_erased_and_then_old_messages(make_mail: Any) -> None:
    mail: Mail = make_mail(retention_bodies_days=10.0, retention_messages_days=20.0)
    old = mail.client.post(HELLO).body["id"]
    waiting = mail.client.post(HELLO | {"sendAt": "2199-01-01T00:00:00Z"}).body["id"]
    age(mail, 11)
    young = mail.client.post(HELLO).body["id"]

    mail.drain()

    one = mail.client.get(f"/{old}").body
    assert (one["html"], one["text"], one["attachments"][0]["size"]) == ("", "", 6)
    assert one["erasedAt"] is not None
    assert b"secret" not in str(mail.collection.find_one({"subject": "Hello", "erasedAt": {"$ne": None}})).encode()
    for message in (waiting, young):
        assert mail.client.get(f"/{message}").body["html"] == "<p>secret</p>"
    answer = mail.client.post(None, f"/{old}/resend")
    assert (answer.status, answer.body["code"]) == (409, "notification.erased")

    age(mail, 10)
    mail.drain()

    assert {each["id"] for each in mail.client.get().body["items"]} == {waiting, young}


def test_a_message_erased_after_it_was_read_is_not_sent(make_mail: Any, relay: Relay) -> None:
    mail: Mail = make_mail(retention_bodies_days=10.0)
    mail.client.post(HELLO)
    age(mail, 11)
    [as_read] = mail.collection.find()
    mail.drain()

    assert not mail.actions().resend(as_read)

    mail.drain()
    assert len(relay.taken) == 1


def test_retention_runs_once_an_hour(make_mail: Any) -> None:
    mail: Mail = make_mail(retention_messages_days=10.0)
    mail.drain()
    mail.client.post(HELLO)
    mail.collection.update_many({}, [{"$set": {"createdAt": {"$subtract": ["$createdAt", 11 * 86_400_000]}}}])

    mail.drain()
    assert mail.states() == ["sent"]

    mail.services.database["cursors"].update_one({"_id": SWEEP_ID}, [{"$set": {"dueAt": "$$NOW"}}])
    mail.drain()
    assert mail.states() == []


def test_without_a_setting_everything_is_kept(mail: Mail) -> None:
    mail.client.post(HELLO)
    age(mail, 10_000)
    mail.drain()

    assert mail.client.get().body["items"][0]["status"] == "sent"
    assert mail.collection.count_documents({"html": "<p>secret</p>"}) == 1


def test_the_messages_of_one_person_are_erased(mail: Mail) -> None:
    mail.client.post(HELLO)
    mail.client.post(HELLO | {"emailTo": "b@example.com", "bcc": "A@example.com"})
    mail.client.post(HELLO | {"emailTo": "b@example.com"})
    mail.client.post(HELLO, Prefer="respond-async")
    sending = mail.client.post(HELLO, Prefer="respond-async").body["id"]
    newest = mail.collection.find_one(sort=[("_id", -1)])
    assert newest is not None
    mail.collection.update_one({"_id": newest["_id"]}, {"$set": {"state": "sending"}})

    answer = mail.client.call("DELETE", "/", query={"emailTo": "a@EXAMPLE.com"})

    assert answer.body == {"erased": 3, "left": 1}
    assert sending in {each["id"] for each in mail.client.get().body["items"]}
    assert len(mail.client.get().body["items"]) == 2
    assert mail.client.call("DELETE", "/").body["field"] == "emailTo"


def test_a_message_erased_before_the_final_dot_is_not_sent(mail: Mail, relay: Relay) -> None:
    mail.client.post(HELLO, Prefer="respond-async")
    relay.on("data", call(lambda: mail.client.call("DELETE", "/", query={"emailTo": "a@example.com"})))

    assert mail.drain() == 1

    assert (relay.received, mail.states()) == ([], [])


def test_the_command_counts_what_it_erased(mail: Mail) -> None:
    mail.client.post(HELLO)
    mail.client.post(HELLO)
    mail.client.post(HELLO, Prefer="respond-async")

    counts = mail.client.get("/counts").body["counts"]

    assert {state: count for state, count in counts.items() if count} == {"sent": 2, "queued": 1}
    assert len(counts) == 8
    assert set(mail.client.get("/counts", to="2000-01-01T00:00:00Z").body["counts"].values()) == {0}
    assert mail.client.get("/counts", status="sent").status == 422


def test_one_message_is_erased(mail: Mail, relay: Relay) -> None:
    ended = mail.client.post(HELLO).body["id"]
    waits = mail.client.post(HELLO, Prefer="respond-async").body["id"]
    kept = mail.client.post(HELLO).body["id"]
    counts = mail.client.get("/counts", emailTo="a@example.com").body["counts"]
    assert (counts["sent"], counts["queued"]) == (2, 1)
    assert not any(mail.client.get("/counts", emailTo="b@example.com").body["counts"].values())

    for message in (ended, waits):
        assert mail.client.call("DELETE", f"/{message}").body == {"erased": 1, "left": 0}
        assert mail.client.call("DELETE", f"/{message}").status == 404
    mail.drain()
    assert len(relay.taken) == 2
    assert [each["id"] for each in mail.client.get().body["items"]] == [kept]


def test_a_message_that_is_being_sent_is_not_erased(mail: Mail) -> None:
    message = mail.client.post(HELLO, Prefer="respond-async").body["id"]
    outbox = mail.outbox()
    outbox.hand_over(outbox.claim(outbox.due(10)))
    answer = mail.client.call("DELETE", f"/{message}")
    assert (answer.status, answer.body["code"]) == (409, "notification.state")
    assert mail.client.get(f"/{message}").body["status"] == "sending"
