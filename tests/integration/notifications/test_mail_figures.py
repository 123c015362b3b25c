"""The figures of mail that an overview shows, and what a message says in each form."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email import message_from_string, policy
from typing import Any

import pytest
from bson import ObjectId

from mailroom.notifications.outbox import figures
from mailroom.platform import mongo
from tests.integration.notifications.conftest import Client, Mail, create_app
from tests.integration.notifications.relay import Relay, reply
from tests.integration.notifications.test_waiting import HELLO, accept

MakeMail = Callable[..., Mail]


def figures_of(mail: Mail) -> Any:
    """The figures as a replica tells them that was asked by nobody before."""
    answer = Client(create_app(mail.services), mail.client.key).get("/figures/messages")
    assert answer.status == 200, answer.body
    return answer.body


def test_the_figures_count_what_waits_and_what_ended_lately(mail: Mail, relay: Relay) -> None:
    relay.on("rcpt", reply("550 5.1.1 unknown"))
    assert mail.client.post(HELLO | {"emailTo": "nobody@example.com"}).status == 422
    sent = mail.client.post(HELLO).body["id"]
    old = mail.client.post(HELLO).body["id"]
    waits = accept(mail)
    created = mail.services.clock.now() - timedelta(days=figures.DAYS + 1)
    which = {"_id": {"$in": [ObjectId(old), ObjectId(waits)]}}
    mail.collection.update_many(which, {"$set": {"createdAt": created, "dueSince": created}})

    found = figures_of(mail)

    expected = {"sent": 1, "failed": 1, "queued": 1}
    assert {state: count for state, count in found["counts"].items() if count} == expected
    oldest = found["oldestWaiting"]
    assert (oldest["id"], oldest["waitingFor"]["code"]) == (waits, "worker")
    assert oldest["since"].startswith(f"{created:%Y-%m-%d}")
    assert found["computedAt"]
    assert sent != waits


def test_without_mail_the_figures_are_nought(mail: Mail) -> None:
    found = figures_of(mail)
    assert set(found["counts"].values()) == {0}
    assert found["oldestWaiting"] is None


def test_mail_for_later_is_not_the_oldest_that_waits(mail: Mail) -> None:
    accept(mail, sendAt="2090-01-31T12:00:00Z")
    assert figures_of(mail)["oldestWaiting"] is None
    waits = accept(mail)
    assert figures_of(mail)["oldestWaiting"]["id"] == waits


def test_a_message_that_is_handed_over_counts_as_sending(mail: Mail) -> None:
    accept(mail)
    outbox = mail.outbox()
    claimed = outbox.claim(outbox.due(10))
    outbox.hand_over(claimed)
    found = figures_of(mail)
    assert (found["counts"]["queued"], found["counts"]["sending"]) == (0, 1)
    assert found["oldestWaiting"]["waitingFor"]["code"] == "lease"


def test_the_figures_are_computed_at_most_once_a_minute(mail: Mail) -> None:
    first = mail.client.get("/figures/messages").body
    accept(mail)
    assert mail.client.get("/figures/messages").body == first


def test_a_state_is_counted_up_to_a_limit(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongo, "MOST_COUNTED", 2)
    for _ in range(3):
        accept(mail)
    assert figures_of(mail)["counts"]["queued"] == 2


def test_a_message_is_shown_in_each_form(mail: Mail, relay: Relay) -> None:
    body = HELLO | {
        "message": "<p>Grüße</p>",
        "attachments": [{"filename": "x.txt", "content": "c2VjcmV0IGNvbnRlbnQ="}],
        "headers": {"X-Submission": "1"},
    }
    message = mail.client.post(body).body["id"]

    assert mail.client.get(f"/{message}/content", form="html").body == {"html": "<p>Grüße</p>"}
    assert mail.client.get(f"/{message}/content", form="text").body == {"text": "Grüße"}
    answer = mail.client.get(f"/{message}/content", form="source").body
    assert answer.keys() == {"source"}

    shown = message_from_string(answer["source"], policy=policy.default)
    [received] = relay.taken
    sent = received.parsed
    assert shown.items() == sent.items()
    part = shown.get_body(("html",))  # type: ignore[attr-defined]
    assert part.get_content().strip() == "<p>Grüße</p>"
    [attachment] = shown.iter_attachments()  # type: ignore[attr-defined]
    assert (attachment.get_filename(), attachment.get_content().strip()) == ("x.txt", b"")


def test_a_form_that_there_is_not_is_refused(mail: Mail) -> None:
    message = accept(mail)
    for query in ({}, {"form": "pdf"}):
        answer = mail.client.get(f"/{message}/content", **query)
        assert (answer.status, answer.body["field"]) == (422, "form")


def test_what_was_erased_is_gone(make_mail: MakeMail) -> None:
    mail = make_mail(retention_bodies_days=1e-9)  # a tenth of a millisecond
    message = accept(mail)
    mail.drain()
    for form in ("html", "text", "source"):
        answer = mail.client.get(f"/{message}/content", form=form)
        assert (answer.status, answer.body["code"]) == (410, "notification.erased")
    attachment = mail.client.get(f"/{message}/attachments/0")
    assert (attachment.status, attachment.body["code"]) == (410, "notification.erased")
    mail.client.call("DELETE", "/", query={"emailTo": "a@example.com"})
    answer = mail.client.get(f"/{message}/content", form="html")
    assert (answer.status, answer.body["code"]) == (404, "notification.unknown")


def test_a_template_is_tried_before_it_is_stored(mail: Mail) -> None:
    content = {"subject": "Hi {{ name }}", "html": "<p>{{ name }}</p>"}
    answer = mail.client.post({"parameters": {"name": "A&B"}, "content": content}, "/templates/new/preview")
    assert answer.status == 200
    assert (answer.body["subject"], answer.body["html"]) == ("Hi A&B", "<p>A&amp;B</p>")
    assert answer.body["version"] == 0
    assert mail.client.get("/templates").body["items"] == []

    wrong = mail.client.post({"content": content | {"html": "{% include 'x' %}"}}, "/templates/new/preview")
    assert (wrong.status, wrong.body["field"]) == (422, "content.html")
