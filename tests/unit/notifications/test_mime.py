"""The bytes of a message: a mail reader gets exactly what was put in."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.notifications.message import mime
from mailroom.notifications.model.messages import Address, Kind, MailFrom, Message, Recipient

HEADERS = ["Message-ID", "Date", "From", "To", "Cc", "Reply-To", "Subject", "MIME-Version", "Content-Type"]


def message(**changes: object) -> Message:
    parts = {
        "message_id": "<65a000000000000000000001@example.com>",
        "date": datetime(2024, 1, 31, 12, 0, tzinfo=UTC),
        "sender": MailFrom("Mailroom, Ltd", "mail@example.com"),
        "recipients": (
            Recipient("a@example.com", "a@example.com"),
            Recipient("c@example.com", "c@example.com", Kind.CC),
            Recipient("b@example.com", "b@example.com", Kind.BCC),
        ),
        "subject": "Hello",
        "text": "text",
        "html": "<p>html</p>",
        "reply_to": (Address("r@example.com", "r@example.com"),),
    }
    return Message(**{**parts, **changes})  # type: ignore[arg-type]


def parse(content: bytes) -> EmailMessage:
    parsed = message_from_bytes(content, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def part(parsed: EmailMessage, subtype: str) -> str:
    found = parsed.get_body((subtype,))
    assert found is not None
    content: str = found.get_content()
    return content.replace("\r\n", "\n")


def test_a_message_has_the_headers_of_mail() -> None:
    parsed = parse(mime.assemble(message()))

    assert [str(parsed[name]) for name in HEADERS[:-1]] == [
        "<65a000000000000000000001@example.com>",
        "Wed, 31 Jan 2024 12:00:00 +0000",
        '"Mailroom, Ltd" <mail@example.com>',
        "a@example.com",
        "c@example.com",
        "r@example.com",
        "Hello",
        "1.0",
    ]
    assert parsed.keys() == HEADERS


def test_the_same_message_gives_the_same_bytes() -> None:
    assert mime.assemble(message()) == mime.assemble(message())


def test_text_alone_has_one_part() -> None:
    parsed = parse(mime.assemble(message(html="")))

    assert (parsed.get_content_type(), parsed.get_content().strip()) == ("text/plain", "text")


# Everything JSON can bring in but lone halves of characters, which it cannot.
ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
# What mostly goes as it is, and what is near to it: long lines, space at their ends, what is like a boundary.
NEARLY_PLAIN = st.lists(
    st.one_of(
        st.text(st.characters(codec="ascii"), max_size=80),
        st.sampled_from(["\n", "\r", "\r\n", " \n", "\t\n", "From a\n", ".\n", "..\n", "x" * 998, "--=_"]),
        st.sampled_from(["--=_65a000000000000000000001_a\n", "--=_65a000000000000000000001_a--\n", "=20\n"]),
    )
).map("".join)
LINE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=300)


@given(subject=LINE.filter(str.strip), text=ANY_TEXT | NEARLY_PLAIN, html=(ANY_TEXT | NEARLY_PLAIN).filter(bool))
def test_any_text_comes_out_unchanged_without_further_headers(subject: str, text: str, html: str) -> None:
    content = mime.assemble(message(subject=subject, text=text, html=html))

    parsed = parse(content)
    assert parsed.keys() == HEADERS
    assert str(parsed["To"]) == "a@example.com"
    assert decoded(message_from_bytes(content)["Subject"]) == subject
    for subtype, sent in (("plain", text), ("html", html)):
        found = parsed.get_body((subtype,))
        assert found is not None
        payload = found.get_payload(decode=True)
        assert isinstance(payload, bytes)
        assert payload.decode().replace("\r\n", "\n") == sent.replace("\r\n", "\n").replace("\r", "\n")
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "text", ["x\nFrom here", "From here", "x \ny", "x ", "x\t", "x" * 999, "é", "\0", "\x0b", "--=_65a0_a"]
)
def test_text_that_relays_might_change_is_encoded(text: str) -> None:
    parsed = parse(mime.assemble(message(text=text)))

    [plain, html] = parsed.iter_parts()
    assert (plain["Content-Transfer-Encoding"], html["Content-Transfer-Encoding"]) == ("quoted-printable", "7bit")
    assert part(parsed, "plain") == text


def decoded(raw: str) -> str:
    """A header's text, as a mail reader shows it."""
    return str(make_header(decode_header(raw.replace("\r\n", "").replace("\n", ""))))


@pytest.mark.parametrize("control", ["\r\nBcc: eve@example.com", "\n", "\r", "\0", "\x85", "\u2028", "\x1b"])
@pytest.mark.parametrize("field", ["subject", "message_id"])
def test_a_control_character_in_a_header_is_refused(field: str, control: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        mime.assemble(message(**{field: f"a{control}b"}))
