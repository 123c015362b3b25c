"""Headers from callers: only those on the list pass, unchanged."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.errors import Invalid, InvalidSetting
from mailroom.notifications.message import mime
from mailroom.notifications.message.headers import LONGEST_VALUE, AllowedHeaders
from mailroom.platform.settings import Settings
from tests.unit.notifications.test_mime import HEADERS, decoded, message

ALLOWED = AllowedHeaders.parse(Settings().mail_headers)

PIECES = st.sampled_from(
    ["\r\n", "\r", "\n", "\0", "\x85", "\u2028", "Bcc: e@evil.example", ": ", "=?utf-8?q?=0A?=", "ü"]
)
NAME = st.one_of(
    st.sampled_from(["X-Order", "List-Id", "x-a", "References", "Bcc", "From", "Content-Type", "DKIM-Signature", "X-"]),
    st.lists(st.one_of(st.sampled_from(["X-", "List-"]), PIECES, st.text(max_size=3)), max_size=3).map("".join),
)
VALUE = st.one_of(
    st.lists(st.one_of(PIECES, st.text(max_size=30)), max_size=5).map("".join), st.text(min_size=1, max_size=1000)
)


@given(st.dictionaries(NAME, VALUE, max_size=4))
def test_an_allowed_header_arrives_unchanged_and_brings_no_other(headers: dict[str, str]) -> None:
    try:
        checked = ALLOWED.check(headers)
    except Invalid as refusal:
        assert (refusal.field or "").partition(".")[0] == "headers"  # noqa: PT017
        return
    content = mime.assemble(message(headers=checked))

    parsed = message_from_bytes(content, policy=policy.compat32)
    assert sorted(parsed.keys()) == sorted([*HEADERS, *headers])
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    for name, value in headers.items():
        assert decoded(parsed[name]) == value


@given(
    st.text(
        st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Zs", "Cn", "Co", "Cf")), min_size=1, max_size=900
    )
)
def test_any_printable_text_passes_in_a_free_header(value: str) -> None:
    content = mime.assemble(message(headers=ALLOWED.check({"X-Free": value})))

    assert decoded(message_from_bytes(content, policy=policy.compat32)["X-Free"]) == value


@pytest.mark.parametrize(
    "name",
    [
        *("Bcc", "bcc", "From", "Sender", "Reply-To", "Subject", "Date", "Message-ID", "Content-Type", "Received"),
        *("DKIM-Signature", "Return-Path", "Resent-To", "X Y", "X-Y:", "X-Y\r\nBcc", "", "Xylophone", "X-" + "y" * 80),
    ],
)
def test_a_header_that_is_not_on_the_list_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        ALLOWED.check({name: "value"})
    assert (refusal.value.code, refusal.value.field) == ("header.not_allowed", f"headers.{name}")


@pytest.mark.parametrize(
    "value", ["", " x", "x ", "a\r\nBcc: b", "a\nb", "a\0b", "x" * (LONGEST_VALUE + 1), "ü", "=?utf-8?q?=0A?="]
)
def test_a_value_that_cannot_be_written_is_refused(value: str) -> None:
    with pytest.raises(Invalid) as refusal:
        ALLOWED.check({"List-Id": value})
    assert refusal.value.field == "headers.List-Id"


def test_a_header_is_there_once_and_there_are_at_most_twenty() -> None:
    with pytest.raises(Invalid, match="twice"):
        ALLOWED.check({"X-A": "1", "x-a": "2"})
    with pytest.raises(Invalid) as refusal:
        ALLOWED.check({f"X-{number}": "1" for number in range(21)})
    assert refusal.value.field == "headers"


@pytest.mark.parametrize("setting", ["From", "X-A,bcc", "Content-*", "*", "a b", "X-*-y", "Resent-*", "DKIM-Signature"])
def test_headers_that_decide_about_delivery_cannot_be_allowed(setting: str) -> None:
    with pytest.raises(InvalidSetting, match="MAIL_HEADERS"):
        AllowedHeaders.parse(setting)


def test_nothing_is_allowed_when_the_setting_is_a_comma() -> None:
    with pytest.raises(Invalid):
        AllowedHeaders.parse(",").check({"X-A": "1"})


OBEYED = [
    *("X-SMTPAPI", "x-smtpapi", "X-MC-BccAddress", "X-MSYS-API", "X-PM-Message-Stream", "X-Mailgun-Drop-Message"),
    *("X-SES-SOURCE-ARN", "X-MJ-TemplateID", "X-Mailjet-Campaign", "X-Mailin-Tag", "X-Sib-Sandbox", "X-Smtp2go-A"),
    *("X-MailerSend-Tags", "X-MT-Category", "X-Receiver", "X-MS-Exchange-Organization-SCL", "X-GreenArrow-MtaID"),
]


@pytest.mark.parametrize("name", OBEYED)
@pytest.mark.parametrize("setting", [Settings().mail_headers, "X-*", f"{OBEYED[0][:3]}*", "List-Id"])
def test_a_header_that_relays_obey_is_denied(name: str, setting: str) -> None:
    with pytest.raises(Invalid) as refusal:
        AllowedHeaders.parse(setting).check({name: "value"})
    assert (refusal.value.code, refusal.value.field) == ("header.denied", f"headers.{name}")


def test_a_header_that_relays_obey_is_allowed_by_its_full_name() -> None:
    allowed = AllowedHeaders.parse("X-*,X-PM-Tag")
    assert allowed.check({"x-pm-tag": "a", "X-Order": "1", "X-Sender-Team": "b", "X-PMS": "c"})
    with pytest.raises(Invalid, match="full name"):
        allowed.check({"X-PM-Metadata-a": "value"})
