"""Senders: who a message is from, and which senders a key may use."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import parseaddr
from typing import Any

import pytest

from mailroom.notifications.model import addresses
from tests.integration.notifications.conftest import Client, Mail
from tests.integration.notifications.relay import Relay, reply

HELLO = {"emailTo": "anna@example.com", "subject": "Hello", "message": "<p>x</p>"}
SCOPES = ["notifications:send", "notifications:read"]


def client(mail: Mail, *senders: str) -> Client:
    """A program whose key was made with these patterns."""
    return Client(mail.client.app, mail.services.keys.create("shop", SCOPES, None, senders).text)


def test_a_message_is_from_the_sender_of_its_request(mail: Mail, relay: Relay) -> None:
    shop = client(mail, "*@shop.example.com")

    answer = shop.post(HELLO | {"from": "Müller & Söhne <Billing@shop.example.com>"})

    assert answer.body["status"] == "sent"
    [received] = relay.taken
    assert str(received.parsed["From"]) == "Müller & Söhne <Billing@shop.example.com>"
    assert received.sender == "Billing@shop.example.com"
    assert received.parsed["Message-ID"].endswith("@shop.example.com>")
    one = shop.get(f"/{answer.body['id']}").body
    assert (one["from"], one["fromName"]) == ("Billing@shop.example.com", "Müller & Söhne")
    assert shop.get().body["items"][0]["from"] == "Billing@shop.example.com"


@pytest.mark.parametrize(
    ("patterns", "given"),
    [
        ([], "mailroom@OURS.example.com"),
        ([], "Any name <mailroom@ours.example.com>"),
        ([], None),
        (["*@shop.example.com"], "a@shop.example.com"),
        (["billing@shop.example.com", "*@other.example.com"], "Billing@Shop.example.com"),
        (["*@xn--bcher-kva.example.com"], "a@bücher.example.com"),
        (["*@ours.example.com"], None),
    ],
)
def test_a_key_sends_from_its_senders(mail: Mail, patterns: list[str], given: str | None) -> None:
    assert client(mail, *patterns).post(HELLO | {"from": given}).status == 200


@pytest.mark.parametrize(
    ("patterns", "given"),
    [
        ([], "other@ours.example.com"),
        ([], "Mailroom <eve@evil.example.com>"),
        (["*@shop.example.com"], "a@sub.shop.example.com"),
        (["*@shop.example.com"], "a@xshop.example.com"),
        (["*@shop.example.com"], "mailroom@ours.example.com"),
        (["*@shop.example.com"], None),
        (["billing@shop.example.com"], "other@shop.example.com"),
        (["billing@shop.example.com"], "billing+x@shop.example.com"),
    ],
)
def test_any_other_sender_is_refused_and_nothing_is_stored(mail: Mail, patterns: list[str], given: str | None) -> None:
    shop, body = client(mail, *patterns), HELLO | ({} if given is None else {"from": given})

    answer = shop.post(body)
    assert (answer.status, answer.body["code"], answer.body["field"]) == (403, "from.not_allowed", "from")
    batch = shop.post({"messages": [body, body]}, "/batch")
    assert (batch.status, {each["code"] for each in batch.body["items"]}) == (422, {"from.not_allowed"})
    assert mail.collection.count_documents({}) == 0


def test_in_a_batch_only_the_entry_with_that_sender_is_refused(mail: Mail, relay: Relay) -> None:
    shop = client(mail, "*@shop.example.com")
    messages = [HELLO | {"from": f"a@{domain}.example.com"} for domain in ("shop", "other", "shop")]

    batch = shop.post({"messages": messages}, "/batch")

    assert (batch.status, batch.body["accepted"], batch.body["items"][1]["field"]) == (202, 2, "from")
    mail.drain()
    assert [each.sender for each in relay.taken] == ["a@shop.example.com"] * 2


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Shop",
        "a@shop.example.com, b@shop.example.com",
        "A <a@shop.example.com>, B <b@shop.example.com>",
        "Shop, Inc. <a@shop.example.com>",
        "a@evil.example.com <a@shop.example.com>",
        "A <a@shop.example.com> B",
        '"A\r\nBcc: eve@evil.example.com" <a@shop.example.com>',
        "A\n <a@shop.example.com>",
        "<a@shop.example.com",
        "jörg@shop.example.com",
        "x" * 201 + " <a@shop.example.com>",
        "x" * 100_000,
    ],
)
def test_a_sender_that_is_no_address_is_named(mail: Mail, given: str) -> None:
    answer = client(mail, "*@shop.example.com").post(HELLO | {"from": given})

    assert (answer.status, answer.body["field"]) == (422, "from")
    assert mail.states() == []


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Müller & Söhne <a@shop.example.com>", "Müller & Söhne"),
        ('"Shop, Inc." <a@shop.example.com>', "Shop, Inc."),
        ('"a \\"quoted\\" name" <a@shop.example.com>', 'a "quoted" name'),
        ("=?utf-8?q?x?= <a@shop.example.com>", "=?utf-8?q?x?="),
        ("ü" * 200 + " <a@shop.example.com>", "ü" * 200),
        ("x" * 200 + " <a@shop.example.com>", "x" * 200),
        ("Shop (Berlin) <a@shop.example.com>", "Shop (Berlin)"),
        ("<a@shop.example.com>", ""),
    ],
)
def test_the_receiver_reads_the_name_that_was_given(mail: Mail, relay: Relay, given: str, name: str) -> None:
    client(mail, "*@shop.example.com").post(HELLO | {"from": given})

    [received] = relay.taken
    # Python 3.11 reads a phrase of several encoded words wrongly: only its older functions join them without a space.
    shown, address = parseaddr(str(message_from_bytes(received.content)["From"]).replace("\r\n", ""))
    assert (str(make_header(decode_header(shown))), address) == (name, "a@shop.example.com")
    assert max(map(len, received.content.split(b"\r\n"))) <= max(78, len(name.encode("ascii", "ignore")) + 8)


def test_the_list_is_filtered_by_the_sender(mail: Mail, relay: Relay) -> None:
    shop = client(mail, "*@shop.example.com")
    relay.on("rcpt", reply("550 no"), times=1)
    failed = shop.post(HELLO | {"from": "Shop <Billing@shop.example.com>"}).body["id"]
    sent = shop.post(HELLO | {"from": "billing@shop.example.com"}).body["id"]
    ours = mail.client.post(HELLO | {"tags": ["t"]}).body["id"]

    def found(**query: str) -> list[str]:
        return [each["id"] for each in mail.client.get(**query).body["items"]]

    assert found(sender="BILLING@shop.example.com") == [sent, failed]
    assert found(sender="mailroom@ours.example.com") == [ours]
    assert found(sender="billing@shop.example.com", status="failed") == [failed]
    assert found(sender="billing@shop.example.com", status="queued") == []
    assert found(sender="billing@shop.example.com", emailTo="anna@example.com", status="sent") == [sent]
    assert found(sender="billing@shop.example.com", emailTo="bert@example.com") == []
    assert found(sender="billing@shop.example.com", **{"from": "2020-01-01T00:00:00Z"}) == [sent, failed]
    assert found(sender="billing@shop.example.com", to="2020-01-01T00:00:00Z") == []
    refused = mail.client.get(sender="billing@shop.example.com", tag="t")
    assert (refused.status, refused.body["field"]) == (422, "tag")
    assert mail.client.get(sender="x").body["field"] == "sender"
    pages, cursor = [], {}
    while cursor is not None:
        page = mail.client.get(sender="billing@shop.example.com", limit="1", **cursor).body
        pages += [each["id"] for each in page["items"]]
        cursor = {"cursor": page["nextCursor"]} if page["nextCursor"] else None  # type: ignore[assignment]
    assert pages == [sent, failed]


def test_the_list_finds_a_sender_that_only_its_own_network_knows(make_mail: Callable[..., Mail]) -> None:
    mail = make_mail(mail_from="Mailroom <mailroom@localhost>")
    sent = mail.client.post(HELLO).body["id"]

    assert [each["id"] for each in mail.client.get(sender="Mailroom@localhost").body["items"]] == [sent]


def test_a_repeat_with_another_sender_is_another_request(mail: Mail, relay: Relay) -> None:
    shop = client(mail, "*@shop.example.com")
    first = shop.post(HELLO | {"from": "a@shop.example.com"}, Idempotency_Key="k")

    repeat = shop.post(HELLO | {"from": "a@shop.example.com"}, Idempotency_Key="k")
    other = shop.post(HELLO | {"from": "b@shop.example.com"}, Idempotency_Key="k")

    assert (repeat.body["id"], len(relay.taken)) == (first.body["id"], 1)
    assert (other.status, other.body["code"]) == (422, "idempotency.reused")


def test_a_key_with_senders_resends_only_their_messages(mail: Mail, relay: Relay) -> None:
    shop, other = client(mail, "*@shop.example.com"), client(mail, "*@other.example.com")
    message = shop.post(HELLO | {"from": "a@shop.example.com"}).body["id"]

    refused = other.post(None, f"/{message}/resend")
    assert (refused.status, refused.body["code"]) == (403, "from.not_allowed")
    assert shop.post(None, f"/{message}/resend").status == 202
    mail.drain()
    assert [each.sender for each in relay.taken] == ["a@shop.example.com"] * 2
    # A key without senders resends every message, as it always did.
    assert mail.client.post(None, f"/{message}/resend").status == 202


def test_keys_and_messages_of_before_need_no_sender(mail: Mail, relay: Relay) -> None:
    mail.services.database["apiKeys"].update_many({}, {"$unset": {"senders": ""}})
    mail.client.post(HELLO, Prefer="respond-async")
    mail.collection.update_many({}, {"$unset": {"sender": ""}})

    mail.drain()

    assert [each.sender for each in relay.taken] == ["mailroom@ours.example.com"]
    assert mail.client.post(HELLO | {"from": "eve@evil.example.com"}).status == 403


def test_messages_of_before_are_found_by_their_sender_after_the_set_up(mail: Mail, monkeypatch: Any) -> None:
    from mailroom.deploy import setup
    from mailroom.notifications.outbox import upgrade

    monkeypatch.setattr(upgrade, "_BATCH", 2)
    for number in range(5):
        mail.client.post(HELLO | {"emailTo": f"a{number}@example.com"})
    mail.collection.update_many({}, [{"$unset": "sender"}, {"$set": {"from.address": "Mailroom@Ours.example.com"}}])
    assert mail.client.get(sender="mailroom@ours.example.com").body["items"] == []

    said: list[str] = []
    setup.run(mail.services, said.append)

    assert len(mail.client.get(sender="mailroom@ours.example.com").body["items"]) == 5
    assert mail.collection.distinct("sender") == [addresses.key("Mailroom@Ours.example.com")]
    assert "senders of notifications: noted in 5" in said
    again: list[str] = []
    setup.run(mail.services, again.append)
    assert [each for each in again if "senders" in each] == []
