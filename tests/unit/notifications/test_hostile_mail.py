"""Mail from strangers is read in bounded time and memory, and whatever it has in it, reading it raises nothing."""

from __future__ import annotations

import base64
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailroom.notifications.feedback.parsing.reading import LONGEST_MAIL
from mailroom.notifications.feedback.parsing.returned_mail import parse
from tests.unit.notifications.returned_mails import Case, cases

HEAD = b"From: mailer-daemon@x.example\r\nSubject: failure notice\r\n"
REPORT = (
    HEAD + b"Content-Type: multipart/report; report-type=delivery-status; boundary=B\r\n\r\n"
    b"--B\r\nContent-Type: message/delivery-status\r\n\r\n"
)
MIB = 1 << 20


def nested(depth: int) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(depth)
    )
    return HEAD + opening + b"Content-Type: text/plain\r\n\r\n" + b"a line\r\n" * 50_000


def wrapped(depth: int) -> bytes:
    return HEAD + b"Content-Type: message/rfc822\r\n\r\n" * depth + b"x\r\n" * 50_000


def encoded(kind: bytes, content: bytes, report: bytes = HEAD) -> bytes:
    """A mail whose lines are short, until its content is decoded."""
    head = b"Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n" % kind
    return report + head + base64.encodebytes(content)


ENCODED = LONGEST_MAIL * 7 // 10  # bytes that fit into a mail in Base64
GROUP = b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.0.0\r\n"
IN_PARTS = HEAD + b"Content-Type: multipart/report; boundary=B\r\n\r\n--B\r\n"


HOSTILE = {
    "nothing": b"",
    "no header": b"\x00\xff" * MIB,
    "deep multiparts": nested(5_000),
    "deep messages": wrapped(20_000),
    "many parts": HEAD + b"Content-Type: multipart/mixed; boundary=B\r\n\r\n" + b"--B\r\n\r\n" * MIB,
    "many parameters": HEAD + b"Content-Type: text/plain" + b";" * MIB + b"\r\n\r\n",
    "many quotes": HEAD + b"Content-Type: text/plain; a=" + b'";' * MIB + b"\r\n\r\n",
    "many folded parameters": HEAD + b"Content-Type: text/plain;\r\n" + b' ;a="b;\r\n' * MIB + b"\r\n\r\n",
    "many headers": b"To: a@b.example\r\n" * MIB,
    "one long header": b"To: " + b"a@b.example, " * MIB,
    "many encoded words": b"Subject: " + b"=?utf-8?q?a?= " * MIB,
    "comments in an address": b"From: " + b"(" * MIB + b"\r\n\r\n",
    "one long line": HEAD + b"\r\n" + b"a" * 4 * MIB,
    "only line ends": HEAD + b"\r\n" + b"\n" * 4 * MIB,
    "only spaces": HEAD + b"\r\n" + b" " * 4 * MIB,
    "spaced lines": HEAD + b"\r\n" + b"could not" + b" \t " * MIB,
    "many addresses": HEAD + b"\r\nDelivery to the following recipients failed\r\n" + b"<a@b.example>\r\n" * MIB,
    "an address without an end": HEAD + b"\r\nDelivery failed permanently to\r\n" + b"a." * MIB + b"@b.",
    "domains without an end": HEAD + b"\r\nDelivery failed permanently to\r\n" + b"a@" + b"b.example." * MIB,
    "many angles": HEAD + b"Content-Type: text/html\r\n\r\n" + b"<style" * MIB,
    "open tags": HEAD + b"Content-Type: text/html\r\n\r\n" + b"<br <" * MIB,
    "html of breaks": HEAD + b"Content-Type: text/html\r\n\r\n" + b"<script></style>" * MIB,
    "many groups": REPORT + b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\n\r\n" * MIB,
    "a folded field": REPORT + b"Diagnostic-Code: smtp; 550\r\n" + b" no such user\r\n" * MIB,
    "fields of spaces": REPORT + b"Status:" + b" " * MIB + b"\r\nAction:" + b"\t" * MIB,
    "failed recipients": b"X-Failed-Recipients: " + b'"<(@' * MIB + b"\r\n\r\n",
    "unknown charset": HEAD + b"Content-Type: text/plain; charset=\xff\x00idna\r\n\r\ncould not deliver\r\n",
    "a charset that is no charset": HEAD + b"Content-Type: text/plain; charset=zlib\r\n\r\n<a@b.example>\r\n",
    "broken base64": HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=a" * MIB,
    "uuencode": HEAD + b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\n" + b"M" * MIB,
    "no boundary": HEAD + b"Content-Type: multipart/report\r\n\r\n--\r\n",
    "a feedback report": HEAD + b"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: " + b"abuse " * MIB,
    "dispositions": HEAD
    + b"Content-Type: message/disposition-notification\r\n\r\n"
    + b"your message to <a@b was automatically " * MIB,
    "an answer of dots": REPORT + GROUP + b"Diagnostic-Code: smtp; " + b"." * 3_900,
    "spaces behind a label": HEAD + b"\r\n" + (b"could not deliver to account" + b" " * 900 + b"x\r\n") * 30,
    "open styles": HEAD + b"Content-Type: text/html\r\n\r\n" + (b"<style>" * 500 + b"\r\n") * MIB,
    "groups without a reason": IN_PARTS
    + b"\r\n"
    + b"could not deliver to somebody\r\n" * 1_000
    + b"--B\r\nContent-Type: message/delivery-status\r\n\r\n"
    + b"".join(b"Final-Recipient:rfc822;a%d@b.c\r\nAction:failed\r\n" % n for n in range(4_000)),
    "encoded dots": encoded(b"message/delivery-status", GROUP + b"Diagnostic-Code: smtp; " + b"." * ENCODED, IN_PARTS),
    "encoded line ends": encoded(b"text/rfc822-headers", b"\n" * ENCODED, IN_PARTS),
    "encoded open styles": encoded(b"text/html", b"<style>" * (ENCODED // 7)),
    "many tokens": HEAD + b"\r\n" + b"Mailroom-Message: aaaaaaaaaaaaaaaaaaaa\r\n" * MIB,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_mail_takes_bounded_time(raw: bytes) -> None:
    started = time.process_time()
    parsed = parse(raw)
    # A report takes a millisecond. The bound is for a slow machine; quadratic time takes minutes.
    assert time.process_time() - started < 5
    assert len(parsed.found) <= 100
    assert len(parsed.tokens) <= 5
    assert all(len(each.text) <= 500 for each in parsed.found)


@pytest.mark.parametrize("name", ["deep multiparts", "many parts", "many groups", "many headers", "one long line"])
def test_a_hostile_mail_takes_bounded_memory(name: str) -> None:
    tracemalloc.start()
    try:
        parse(HOSTILE[name])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * LONGEST_MAIL


# Without its Content-Type, the source of HTML is the text of the report.
PLAIN = [case for case in cases() if b"text/html" not in case.raw]


@given(st.sampled_from(PLAIN), st.integers(0, 5_000), st.integers(0, 100), st.binary(max_size=30))
@settings(max_examples=400)
def test_a_damaged_report_names_no_other_address(case: Case, start: int, length: int, put: bytes) -> None:
    """Some bytes are lost or replaced. What is still named is a recipient, or a rest of the damaged address."""
    parsed = parse(case.raw[:start] + put + case.raw[start + length :])
    named = {each.recipient for each in parsed.found}
    assert not any("trap.example" in each for each in named), (case.name, start, length, put)
