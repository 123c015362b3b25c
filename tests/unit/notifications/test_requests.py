"""Requests for messages. An accepted one cannot inject a header, a command or a recipient."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes

import msgspec
import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from mailroom.errors import Forbidden, Invalid, InvalidSetting
from mailroom.notifications.message import mime
from mailroom.notifications.message import request as requests
from mailroom.notifications.message.attachments import Attach
from mailroom.notifications.message.headers import AllowedHeaders
from mailroom.notifications.message.request import Extras, Send
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import MailFrom, Message
from mailroom.notifications.model.senders import AllowedSenders
from mailroom.notifications.outbox.accept import new_document
from mailroom.platform.settings import Settings

OURS = MailFrom("Mailroom", "mail@example.com")
EXTRAS = Extras(AllowedHeaders.parse(Settings().mail_headers))

# Text in which control characters and pieces of the protocol are likely.
NASTY = st.lists(
    st.one_of(
        st.sampled_from(
            ["\r", "\n", "\r\n", "\0", "\x0b", "\x85", "\u2028", "\u2029", " ", ",", ";", "<", ">", '"', "@"]
        ),
        st.sampled_from(["Bcc: eve@evil.example", "eve@evil.example", ".", "RCPT TO:", "=?utf-8?q?=0A?=", "--=_"]),
        st.text(max_size=5),
    ),
    max_size=8,
).map("".join)
ADDRESS = st.one_of(st.just("anna@example.com"), NASTY, NASTY.map(lambda text: f"anna@example.com{text}"))


@given(
    email_to=st.one_of(ADDRESS, st.lists(ADDRESS, max_size=3)),
    cc=st.lists(ADDRESS, max_size=2),
    reply_to=st.lists(ADDRESS, max_size=2),
    subject=st.one_of(NASTY, st.text(max_size=20)),
    message=st.one_of(NASTY, st.text(max_size=50)),
    sender=st.one_of(st.none(), ADDRESS, st.tuples(NASTY, ADDRESS).map(lambda each: f"{each[0]} <{each[1]}>")),
)
def test_nothing_can_be_injected(
    email_to: str | list[str], cc: list[str], reply_to: list[str], subject: str, message: str, sender: str | None
) -> None:
    try:
        send = msgspec.convert(
            {"emailTo": email_to, "cc": cc, "replyTo": reply_to, "subject": subject, "message": message}, Send
        )
        draft = requests.check(send, EXTRAS)
        chosen = AllowedSenders(OURS, ("anna@example.com", "mail@example.com")).choose(sender)
    except (Invalid, Forbidden):  # most of them are refused, which is fine too
        return
    document = new_document(draft, ObjectId(), chosen, "", datetime.now(UTC))
    content = mime.assemble(msgspec.convert(document, Message))

    assert chosen.address in ("anna@example.com", "mail@example.com")
    asked = {*([email_to] if isinstance(email_to, str) else email_to), *cc}
    assert {each.wire for each in draft.recipients} <= {addresses.address(each, "").wire for each in asked}
    assert all(not set(each.wire) & set("\r\n\0<> ") for each in draft.recipients)
    wanted = {"Message-ID", "Date", "From", "To", "Subject", "MIME-Version", "Content-Type"}
    wanted |= {"Cc"} if len(draft.recipients) > len(draft_to(draft)) else set()
    wanted |= {"Reply-To"} if reply_to else set()
    parsed = message_from_bytes(content)
    assert sorted(parsed.keys()) == sorted(wanted)
    assert [each.get_content_type() for each in parsed.walk()] == ["multipart/alternative", "text/plain", "text/html"]


def draft_to(draft: requests.Draft) -> list[str]:
    return [each.wire for each in draft.recipients if each.kind == "to"]


@pytest.mark.parametrize(
    ("given", "shown", "wire"),
    [
        ("Anna.Berg+x@Example.COM", "Anna.Berg+x@example.com", "Anna.Berg+x@example.com"),
        ("anna@bücher.example.com", "anna@bücher.example.com", "anna@xn--bcher-kva.example.com"),
        ("jörg@example.com", "jörg@example.com", "jörg@example.com"),
        ("anna@mail.local", "anna@mail.local", "anna@mail.local"),
        ("anna@relay.test", "anna@relay.test", "anna@relay.test"),
    ],
)
def test_valid_addresses_are_accepted(given: str, shown: str, wire: str) -> None:
    found = addresses.address(given, "emailTo")

    assert (found.shown, found.wire) == (shown, wire)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "anna",
            "@example.com",
            "anna@",
            "anna@@example.com",
            "anna@example..com",
            "a b@example.com",
            "anna@example",
        ),
        *("anna@[127.0.0.1]", "Anna <anna@example.com>", "anna@example.com,bert@example.com", '"a b"@example.com'),
        *("x" * 65 + "@example.com", "a@" + "x." * 200 + "com"),
    ],
)
def test_invalid_addresses_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        addresses.address(text, "emailTo")

    assert refusal.value.field == "emailTo"


@pytest.mark.parametrize("character", "/\\\n\x00\u2028\u061c\u200e\u200f\u202a\u202e\u2066\u2069\ufeff")
def test_a_file_name_that_looks_like_another_is_refused(character: str) -> None:
    attach = Attach(filename=f"invoice{character}fdp.exe", content=b"x")
    with pytest.raises(Invalid) as refusal:
        requests.check(Send(email_to="a@example.com", subject="s", message="m", attachments=[attach]), EXTRAS)
    assert (refusal.value.code, refusal.value.field) == ("attachment.filename", "attachments[0].filename")


@pytest.mark.parametrize(
    "name",
    [
        "\u05d7\u05e9\u05d1\u05d5\u05e0\u05d9\u05ea.pdf",
        "\U0001f468\u200d\U0001f469.png",
        "\u0645\u06cc\u200c\u0631.txt",
    ],
)
def test_a_file_name_of_any_script_is_good(name: str) -> None:
    attach = Attach(filename=name, content=b"x")
    draft = requests.check(Send(email_to="a@example.com", subject="s", message="m", attachments=[attach]), EXTRAS)
    assert draft.attachments[0].name == name


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [("mail@example.com", "", "mail@example.com"), ("Our Mail <m@example.com>", "Our Mail", "m@example.com")],
)
def test_a_valid_sender_is_accepted(text: str, name: str, address: str) -> None:
    assert addresses.sender(text) == MailFrom(name, address)


@pytest.mark.parametrize(
    "text", ["", "mail", "@example.com", "mail@", "a@example.com\nBcc: b@example.com", "ä@example.com"]
)
def test_an_invalid_sender_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="MAIL_FROM"):
        addresses.sender(text)


def test_html_becomes_text_that_can_be_read() -> None:
    html = (
        '<?xml version="1.0" encoding="utf-8"?><h1>Hi</h1><p>Read <a href="https://example.com/x">this</a>.<ul><li>one'
    )
    send = Send(email_to="anna@example.com", subject="x", message=html)

    assert requests.check(send, EXTRAS).text == "Hi\n\nRead [this](https://example.com/x).\n\n  * one"


@pytest.mark.parametrize("field", ["message", "html"])
def test_html_that_is_too_long_as_text_wants_a_text_of_its_own(field: str) -> None:
    html = "<ul>" * 6 + "<li>x" * 30_000
    with pytest.raises(Invalid) as refusal:
        requests.check(Send(email_to="anna@example.com", subject="x", **{field: html}), EXTRAS)
    assert refusal.value.field == field
    assert "a text of your own" in refusal.value.message
    assert requests.check(Send(email_to="anna@example.com", subject="x", html=html, text="y"), EXTRAS).text == "y"


def test_an_upgrade_changes_no_digest() -> None:
    """A repeat after the upgrade is compared with the digest that the version before stored."""
    body = b'{"emailTo":"anna@example.com","subject":"Hello","message":"x","template":null,"attachments":'
    send = msgspec.json.decode(body + b'[{"filename":"a.txt","content":"eA=="}]}', type=Send)

    stored = "8a7ca4b64dd376fffb49779ebfde08153a35e9af60bd9125cbac22801bf54376"  # pragma: allowlist secret
    assert send.digest() == stored


def test_the_digest_does_not_depend_on_how_it_was_written() -> None:
    one = msgspec.json.decode(b'{"emailTo":"a@example.com","subject":"x","message":"y"}', type=Send)
    other = msgspec.json.decode(b'{ "message": "\\u0079", "subject": "x", "emailTo": "a@example.com" }', type=Send)

    assert one.digest() == other.digest()
    assert one.digest() != Send(email_to="b@example.com", subject="x", message="y").digest()
    assert one.digest() != msgspec.structs.replace(one, from_="c@example.com").digest()


def test_a_request_has_the_digest_that_earlier_versions_stored() -> None:
    body = {
        "emailTo": ["a@example.com"],
        "cc": "b@example.com",
        "subject": "s",
        "message": "m",
        "attachments": [{"filename": "x", "content": "eA=="}, {"object": "o"}],
        "template": None,
        "tags": ["t"],
        "sendAt": None,
    }
    stored = "f1f5c3c841d157bb6fa05c260759507ceb53d9bac21bccd91e7dffc770625afc"  # pragma: allowlist secret
    assert msgspec.convert(body, Send).digest() == stored
