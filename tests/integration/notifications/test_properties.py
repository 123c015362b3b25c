"""Any value of any field is either refused by name, or arrives unchanged and signed at a real relay."""

from __future__ import annotations

import base64
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import dkim
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailroom.notifications.model import addresses
from tests.integration.notifications.conftest import Mail
from tests.integration.notifications.relay import Received, Relay
from tests.integration.notifications.test_signing import in_dns, openssl, put_key

# Control characters, other alphabets, pieces of the protocols, and lengths around the bounds.
PIECE = st.one_of(
    st.sampled_from(["\r\n", "\r", "\n", "\0", "\x1b", "\x85", "\u2028", "\u202e", "\ufeff", "\U0001f4e8", "ß"]),
    st.sampled_from([".\r\n", "\r\n.\r\n", "Bcc: e@evil.example", "RCPT TO:<e@evil.test>", "--=_", "=?utf-8?q?=0A?="]),
    st.sampled_from([" ", "\t", "x" * 500, "ü" * 300, "{{ 1 }}", "<b>", "&amp;", '"', "\\", ";", ",", "@"]),
    st.text(max_size=10),
)  # fmt: skip
TEXT = st.lists(PIECE, max_size=6).map("".join)
ADDRESS = st.one_of(
    st.sampled_from(["anna@example.com", "jörg@bücher.example", "A.B+c@Example.COM"]), TEXT, TEXT.map("a@{}".format)
)
REQUEST = st.fixed_dictionaries(
    {"emailTo": st.one_of(ADDRESS, st.lists(ADDRESS, max_size=3)), "subject": TEXT},
    optional={
        "message": TEXT,
        "html": TEXT,
        "text": TEXT,
        "cc": st.lists(ADDRESS, max_size=2),
        "bcc": st.lists(ADDRESS, max_size=2),
        "replyTo": st.lists(ADDRESS, max_size=2),
        "headers": st.dictionaries(
            st.one_of(st.sampled_from(["X-A", "List-Id", "x-b", "Bcc"]), TEXT), TEXT, max_size=2
        ),
        "attachments": st.lists(
            st.fixed_dictionaries(
                {"filename": TEXT, "content": st.binary(max_size=50).map(lambda data: base64.b64encode(data).decode())},
                optional={"contentType": st.one_of(st.sampled_from(["text/html", "a/b"]), TEXT)},
            ),
            max_size=2,
        ),
        "tags": st.lists(TEXT, max_size=2),
        "metadata": st.dictionaries(TEXT, TEXT, max_size=2),
    },
)
# Each field is also tried in an otherwise plain request: most wholly random requests are refused.
PLAIN = {"emailTo": "anna@example.com", "subject": "x", "message": "<p>x</p>"}


@pytest.fixture(scope="module")
def key() -> bytes:
    return openssl("genpkey -algorithm ed25519")


@pytest.mark.slow
def test_every_accepted_message_arrives_as_requested(make_mail: Any, relay: Relay, key: bytes) -> None:
    mail: Mail = make_mail(dkim_selector="s1", send_wait_seconds=10.0)
    put_key(mail, key)
    dns = in_dns("ed25519", key)
    accepted = 0

    # Every run uses the same examples, so that no unrelated change fails.
    @settings(max_examples=120, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(REQUEST, st.booleans())
    def check(request: dict[str, Any], whole: bool) -> None:
        nonlocal accepted
        for asked in [request] if whole else [changed(name, value) for name, value in request.items()]:
            before = len(relay.received)
            answer = mail.client.post(asked)
            if answer.status != 200:
                assert (answer.status, answer.body["result"]) == (422, "FAILED"), answer.body
                assert answer.body["field"].split("[")[0].split(".")[0] in {*asked, "message"}
                assert len(relay.received) == before
                continue
            accepted += 1
            [received] = relay.received[before:]
            compare(asked, received)
            assert dkim.verify(received.content, dnsfunc=dns)

    check()
    assert accepted > 50, accepted
    assert mail.states() == ["sent"] * accepted


def changed(name: str, value: Any) -> dict[str, Any]:
    plain = {key: each for key, each in PLAIN.items() if not (key == "message" and name in ("html", "text"))}
    return plain | {name: value}


def compare(asked: dict[str, Any], received: Received) -> None:
    """Asserts that envelope, headers and content are those of the request."""
    wanted = {part: wires(asked.get(part, [])) for part in ("emailTo", "cc", "bcc", "replyTo")}
    assert set(received.recipients) == {*wanted["emailTo"], *wanted["cc"], *wanted["bcc"]}
    message = message_from_bytes(received.content, policy=policy.compat32)
    names = ["DKIM-Signature", "Message-ID", "Date", "From", "To", "Subject", "MIME-Version", "Content-Type"]
    names += [*asked.get("headers", {}), *(["Reply-To"] if wanted["replyTo"] else [])]
    if set(wanted["cc"]) - set(wanted["emailTo"]):
        names.append("Cc")
    alone = "text" in asked and "html" not in asked and "message" not in asked and not asked.get("attachments")
    assert sorted(message.keys()) == sorted([*names, "Content-Transfer-Encoding"] if alone else names)
    assert shown(message["Subject"]) == asked["subject"]
    for name, value in asked.get("headers", {}).items():
        assert shown(message[name]) == value
    for subtype, sent in (("plain", asked.get("text")), ("html", asked.get("message", asked.get("html")))):
        if sent is not None:
            assert lines(body(message, subtype)) == lines(sent)
    files = [part for part in message.walk() if part.get_content_disposition() == "attachment"]
    assert [part.get_payload(decode=True) for part in files] == [
        base64.b64decode(each["content"]) for each in asked.get("attachments", [])
    ]
    if not files:
        return
    modern = message_from_bytes(received.content, policy=policy.default)
    assert isinstance(modern, EmailMessage)
    assert [part.get_filename() for part in modern.iter_attachments()] == [
        each["filename"].strip() for each in asked.get("attachments", [])
    ]


def wires(given: str | list[str]) -> list[str]:
    return [addresses.address(each, "").wire for each in ([given] if isinstance(given, str) else given)]


def shown(raw: Any) -> str:
    return str(make_header(decode_header(str(raw).replace("\r\n", "").replace("\n", ""))))


def body(message: Any, subtype: str) -> str:
    parts = [
        part
        for part in message.walk()
        if part.get_content_type() == f"text/{subtype}" and part.get_content_disposition() is None
    ]
    return bytes(parts[0].get_payload(decode=True)).decode()


def lines(text: str) -> str:
    """The text with the line ends of mail, and one at its end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
