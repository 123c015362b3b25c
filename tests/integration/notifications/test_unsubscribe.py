"""Unsubscribing from a topic with one click (RFC 8058)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import dkim
import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from mailroom.notifications.outbox.suppressions import Suppressions
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Relay, reply
from tests.integration.notifications.test_signing import KINDS, in_dns, openssl, put_key

PUBLIC_URL = "https://mail.example.com/mailroom"
KEY = "k" * 40
ANNA = "anna@example.com"
NEWS: dict[str, Any] = {"emailTo": ANNA, "subject": "News", "message": "<p>x</p>", "unsubscribe": {"topic": "news"}}
ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"

MakeMail = Callable[..., Mail]


@pytest.fixture
def mail(make_mail: MakeMail) -> Mail:
    mail = make_mail(public_url=PUBLIC_URL)
    write_key(mail, KEY)
    return mail


def write_key(mail: Mail, *keys: str) -> None:
    (mail.services.settings.secrets_dir / "mailroom-signing-key").write_text("\n".join(keys))


def link(relay: Relay) -> str:
    """The link in the last mail, as a path of the function."""
    header = relay.taken[-1].parsed["List-Unsubscribe"]
    found = re.fullmatch(r"<(https://[^<> ]+)>", header)
    assert found, header
    url = urlsplit(found[1])
    assert f"{url.scheme}://{url.netloc}" == "https://mail.example.com"
    prefix = "/mailroom/function/notifications"
    assert url.path.startswith(f"{prefix}/unsubscribe/")
    return url.path.removeprefix(prefix)


def open_link(mail: Mail, method: str, path: str, body: bytes = b"", kind: str = FORM) -> Any:
    """As a stranger, without a key."""
    return mail.client.app.test_client().open(path, method=method, data=body, content_type=kind)


def listed(mail: Mail) -> list[tuple[str, str | None]]:
    return [(each["address"], each["topic"]) for each in mail.client.get("/suppressions").body["items"]]


def test_one_click_stops_the_mail_of_this_topic_only(mail: Mail, relay: Relay) -> None:
    message = mail.client.post(NEWS).body["id"]
    assert relay.taken[0].parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    answer = open_link(mail, "POST", link(relay), ONE_CLICK)

    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    [entry] = mail.client.get("/suppressions").body["items"]
    assert (entry["address"], entry["topic"], entry["reason"]) == (ANNA, "news", "unsubscribed")
    assert entry["notificationId"] == message
    refused = mail.client.post(NEWS)
    assert (refused.status, refused.body["state"]) == (422, "suppressed")
    others = ({"unsubscribe": {"topic": "offers"}}, {"unsubscribe": None}, {"emailTo": "ben@example.com"})
    for other in others:
        assert mail.client.post(NEWS | other).body["status"] == "sent"
    assert mail.client.call("DELETE", f"/suppressions/{ANNA}", query={"topic": "news"}).status == 200
    assert mail.client.post(NEWS).body["status"] == "sent"


def test_an_address_that_gets_no_mail_gets_none_of_a_topic_either(mail: Mail, relay: Relay) -> None:
    mail.client.post({"address": ANNA}, "/suppressions")

    assert mail.client.post(NEWS).body["state"] == "suppressed"


def test_a_batch_that_waits_is_stopped_too(mail: Mail, relay: Relay) -> None:
    mail.client.post(NEWS)
    more = [NEWS, NEWS | {"unsubscribe": {"topic": "offers"}}]
    assert mail.client.post({"messages": more}, "/batch").body["accepted"] == 2

    open_link(mail, "POST", link(relay), ONE_CLICK)
    mail.drain()

    assert mail.states() == ["sent", "sent", "suppressed"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_opening_the_link_unsubscribes_nobody(mail: Mail, relay: Relay, method: str) -> None:
    """Scanners of links open them."""
    mail.client.post(NEWS)

    answer = open_link(mail, method, link(relay))

    assert answer.status_code == 200
    assert listed(mail) == []


def test_the_page_has_a_button_and_no_script(mail: Mail, relay: Relay) -> None:
    to = "o'neill&sons+b@example.com"
    mail.client.post(NEWS | {"emailTo": to})

    answer = open_link(mail, "GET", link(relay))

    page = answer.get_data(as_text=True)
    assert "o&#39;neill&amp;sons+b@example.com" in page
    assert "news" in page
    assert '<form method="post">' in page
    assert '<input type="hidden" name="List-Unsubscribe" value="One-Click">' in page
    assert "<script" not in page
    policy = answer.headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in policy
    assert "script-src" not in policy
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_programs_send_the_click_as_either_kind_of_form(mail: Mail, relay: Relay) -> None:
    mail.client.post(NEWS)
    multipart = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'

    for body, kind in ((ONE_CLICK, FORM), (multipart, "multipart/form-data; boundary=b"), (ONE_CLICK, FORM)):
        assert open_link(mail, "POST", link(relay), body, kind).status_code == 200

    assert listed(mail) == [(ANNA, "news")]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"List-Unsubscribe=", 422), (b"x=1", 422), (b"{}", 422), (ONE_CLICK + b"&x=" + b"x" * 100_000, 413)],
)
def test_a_call_without_the_click_unsubscribes_nobody(mail: Mail, relay: Relay, body: bytes, status: int) -> None:
    mail.client.post(NEWS)

    assert open_link(mail, "POST", link(relay), body).status_code == status
    assert listed(mail) == []


def test_nobody_can_make_a_link(mail: Mail, relay: Relay) -> None:
    write_key(mail, "x" * 40)
    mail.client.post(NEWS)
    forged = [link(relay)]
    write_key(mail, KEY)
    mail.client.post(NEWS)
    head, token = link(relay).rsplit("/", 1)
    mail.client.post(NEWS | {"emailTo": "ben@example.com"})
    other = link(relay).rsplit("/", 1)[1]
    forged += [f"{head}/{token[:-20]}{other[-20:]}", f"{head}/{token[:-1]}", f"{head}/{'a' * 60}", f"{head}/{'0' * 60}"]
    forged += [f"{head}/{'a' * 5000}", f"{head}/%00", f"{head}/{token}a"]

    for each in forged:
        for method in ("GET", "POST"):
            answer = open_link(mail, method, each, ONE_CLICK)
            assert (answer.status_code, answer.mimetype) == (404, "text/html"), each
    assert listed(mail) == []


def test_a_link_stays_valid_when_the_key_is_changed(mail: Mail, relay: Relay) -> None:
    """Also when its message is erased, and when a gateway changes the case of letters."""
    message = mail.client.post(NEWS).body["id"]
    path = link(relay)
    write_key(mail, "n" * 40, KEY)
    mail.collection.delete_many({"_id": ObjectId(message)})

    head, token = path.rsplit("/", 1)
    assert open_link(mail, "POST", f"{head}/{token.upper()}", ONE_CLICK).status_code == 200

    assert listed(mail) == [(ANNA, "news")]
    write_key(mail, "n" * 40)
    assert open_link(mail, "GET", path).status_code == 404


def test_every_attempt_sends_the_same_link(mail: Mail, relay: Relay) -> None:
    relay.on("content", reply("450 later"))
    message = mail.client.post(NEWS).body["id"]
    write_key(mail, "n" * 40, KEY)
    mail.let_time_pass()
    mail.drain()

    first, second = relay.received
    assert first.parsed["List-Unsubscribe"] == second.parsed["List-Unsubscribe"]
    assert mail.client.get(f"/{message}").body["unsubscribe"] == {"topic": "news"}


def test_the_link_is_shown_to_the_recipient_alone(mail: Mail, relay: Relay) -> None:
    message = mail.client.post(NEWS).body["id"]
    token = link(relay).rsplit("/", 1)[1]

    for path in (f"/{message}", "/"):
        answer = mail.client.app.test_client().get(path, headers={"Authorization": f"Bearer {mail.client.key}"})
        assert token not in answer.get_data(as_text=True)


def test_a_signature_covers_both_headers(make_mail: MakeMail, relay: Relay) -> None:
    mail, private = make_mail(public_url=PUBLIC_URL, dkim_selector="s1"), openssl(KINDS["ed25519"])
    write_key(mail, KEY)
    put_key(mail, private)
    mail.client.post(NEWS)

    content = relay.taken[0].content
    assert dkim.verify(content, dnsfunc=in_dns("ed25519", private))
    signed = re.search(rb"\bh=([^;]+);", content)
    assert signed
    names = [each.strip() for each in signed[1].split(b":")]
    assert {b"list-unsubscribe", b"list-unsubscribe-post"} <= set(names)


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"cc": "ben@example.com"}, "unsubscribe", "unsubscribe.recipients"),
        ({"emailTo": [ANNA, "ben@example.com"]}, "unsubscribe", "unsubscribe.recipients"),
        ({"bcc": ["ben@example.com"]}, "unsubscribe", "unsubscribe.recipients"),
        ({"unsubscribe": {"topic": "a b"}}, "unsubscribe.topic", "topic.invalid"),
        ({"unsubscribe": {}}, "unsubscribe.topic", "body.invalid"),
        ({"headers": {"list-unsubscribe": "<mailto:x@example.com>"}}, "headers.list-unsubscribe", "header.twice"),
        ({"headers": {"List-Unsubscribe-Post": "x"}}, "headers.List-Unsubscribe-Post", "header.twice"),
    ],
)
def test_a_request_that_cannot_be_unsubscribed_from_is_refused(
    mail: Mail, relay: Relay, change: dict[str, Any], field: str, code: str
) -> None:
    refused = mail.client.post(NEWS | change)

    assert (refused.status, refused.body["field"], refused.body["code"]) == (422, field, code)
    assert mail.states() == []


def test_one_recipient_named_twice_is_one(mail: Mail, relay: Relay) -> None:
    assert mail.client.post(NEWS | {"emailTo": [ANNA, "Anna@example.com"]}).body["status"] == "sent"


@pytest.mark.parametrize(("url", "key"), [("", KEY), (PUBLIC_URL, ""), (PUBLIC_URL, "short")])
def test_without_an_address_or_a_key_there_is_no_link(make_mail: MakeMail, url: str, key: str) -> None:
    mail = make_mail(public_url=url)
    write_key(mail, key)

    refused = mail.client.post(NEWS)

    assert (refused.status, refused.body["field"], refused.body["code"]) == (
        422,
        "unsubscribe",
        "unsubscribe.not_set_up",
    )
    assert mail.client.post(NEWS | {"unsubscribe": None}).body["status"] == "sent"
    batch = mail.client.post({"messages": [NEWS, NEWS | {"unsubscribe": None}]}, "/batch").body
    assert (batch["accepted"], batch["items"][0]["code"]) == (1, "unsubscribe.not_set_up")


def test_the_longest_address_and_topic_fit_in_a_line(mail: Mail, relay: Relay) -> None:
    to = f"{'l' * 64}@{'.'.join(['d' * 60] * 3)}.example"[:254]
    assert mail.client.post(NEWS | {"emailTo": to, "unsubscribe": {"topic": "t" * 64}}).body["status"] == "sent"

    lines = relay.taken[0].content.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    open_link(mail, "POST", link(relay), ONE_CLICK)
    assert listed(mail) == [(to, "t" * 64)]


def test_while_mongodb_is_away_the_click_is_to_be_repeated(
    mail: Mail, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail.client.post(NEWS)

    def away(*_: object, **__: object) -> None:
        raise AutoReconnect("away")

    monkeypatch.setattr(Suppressions, "add", away)

    assert open_link(mail, "POST", link(relay), ONE_CLICK).status_code == 503
