"""The corpus of mails that come back: templates of many servers in the folder `returned`, each with several answers.

A template begins with a line such as `=== a delay notice: delayed`: its name, and what it reports of `$recipient`.
`bounced` is permanent if the answer is; `bounced soft` and `bounced hard` say it themselves. A further recipient is
named behind a semicolon. `nothing`: the mail reports nothing that is certain.
"""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

FOLDER = Path(__file__).with_name("returned")
RETURN_PATH = "bounces+mzxw6ytboi2gk3tfmq4dinzrga@shop.example"
TOKEN = "mzxw6ytboi2gk3tfmq4dinzrga"

# The message that comes back. It has addresses of others, none of which has bounced.
HEADERS = """\
Received: from app.shop.example (app.shop.example [192.0.2.1]) for <$recipient>;
	Sun, 29 Nov 2026 08:00:00 +0000
Message-ID: <65a000000000000000000001@shop.example>
Date: Sun, 29 Nov 2026 08:00:00 +0000
From: Shop <orders@shop.example>
To: $recipient, carol@trap.example
Cc: dave@trap.example
Reply-To: support@trap.example
Subject: Your order
Mailroom-Message: $token
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8"""
BODY = """

Your order could not be delivered to the following address:
<erin@trap.example>
550 5.1.1 unknown user: frank@trap.example
"""


@dataclass(frozen=True)
class Answer:
    """What the other server said. `hard`: it takes no mail for good; `by_status`: the same if only the code is told."""

    recipient: str
    reply: str
    status: str
    words: str
    hard: bool
    by_status: bool


ANSWERS = (
    Answer("anna@remote.example", "550", "5.1.1", "User unknown in virtual mailbox table", True, True),
    Answer("anna.example+news@remote.example", "550", "5.7.1", "Message rejected as spam by policy", False, False),
    Answer("a_b-c@sub.remote-host.example", "552", "5.2.2", "Mailbox full", False, False),
    Answer("Anna.Example@Remote.Example", "550", "5.2.1", "The account is disabled", True, True),
    Answer("o'brien@remote.example", "550", "5.1.1", "blocked using a block list", False, True),
    Answer("anna@xn--bcher-kva.example", "554", "5.4.4", "Host or domain name not found", False, False),
    Answer("4711@remote.example", "550", "5.1.10", "Recipient not found by SMTP address lookup", True, True),
)


@dataclass(frozen=True)
class Case:
    """One mail. `expected` has an outcome for each recipient: `delivered`, `delayed`, `complained`, `hard`, `soft`."""

    name: str
    raw: bytes
    expected: dict[str, str]
    guessed: bool


def cases() -> list[Case]:
    return [
        _case(family, name, expected, text, answer)
        for family, name, expected, text in _templates()
        for answer in ANSWERS
    ]


def _templates() -> Iterator[tuple[str, str, str, str]]:
    for path in sorted(FOLDER.glob("*.txt")):
        for block in re.split(r"^=== ", path.read_text(), flags=re.MULTILINE)[1:]:
            title, _, text = block.partition("\n")
            name, _, expected = title.rpartition(": ")
            yield path.stem, name, expected, text


def _case(family: str, name: str, expected: str, text: str, answer: Answer) -> Case:
    known = {
        "recipient": answer.recipient,
        "recipient_in_xtext": answer.recipient.replace("+", "+2B"),
        "recipient_in_qp": quopri.encodestring(answer.recipient.encode()).decode(),
        "return_path": RETURN_PATH,
        "token": TOKEN,
        "reply": answer.reply,
        "status": answer.status,
        "words": answer.words,
    }
    returned = {
        name: Template(content).substitute(known)
        for name, content in (("returned", HEADERS + BODY), ("returned_headers", HEADERS))
    }
    raw = Template(text).substitute(known, **returned)
    # Servers hand over mail with either line end.
    raw = raw if answer.status == "5.7.1" else raw.replace("\n", "\r\n")
    hard = answer.hard if "$words" in text else answer.by_status
    return Case(
        f"{family}: {name}: {answer.recipient}",
        raw.encode(),
        dict(_expected(expected, answer.recipient, hard)),
        expected.endswith("by guess"),
    )


def _expected(text: str, recipient: str, hard: bool) -> Iterator[tuple[str, str]]:
    for each in text.removesuffix(" by guess").split("; "):
        words = each.split()
        if words == ["nothing"]:
            continue
        address = words.pop() if "@" in words[-1] else recipient
        outcome = words[-1]
        yield address, ("hard" if hard else "soft") if outcome == "bounced" else outcome
