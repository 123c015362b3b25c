"""No body of a caller costs more than linear time. Processor time is compared with that of an eighth of the body."""

from __future__ import annotations

import base64
import itertools
import string
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from mailroom.errors import Refusal
from mailroom.notifications.message import html_to_text, mime
from mailroom.notifications.message.dkim import DkimSigner
from mailroom.notifications.message.headers import AllowedHeaders
from mailroom.notifications.message.html_to_text import CannotConvert, from_html
from mailroom.notifications.message.request import Extras, Send, check
from mailroom.notifications.model import addresses
from mailroom.notifications.model.messages import LONGEST_BODY
from mailroom.notifications.templates import language
from mailroom.platform.settings import Settings
from tests.support.growth import grows_like_its_size
from tests.unit.notifications.test_mime import message

Make = Callable[[int], str]

# Ed25519 with a seed of zeros, as PEM (RFC 8410).
_SEED = base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + bytes(32)).decode()
KEY = "-----{} PRIVATE KEY-----\n{}\n-----{} PRIVATE KEY-----\n".format("BEGIN", _SEED, "END")


def repeated(unit: str, before: str = "", after: str = "") -> Make:
    """`unit` as often as fits."""
    return lambda size: before + unit * (size // len(unit)) + after


def numbered(unit: str, before: str = "", after: str = "") -> Make:
    """`unit` as often as fits, each time with other digits."""
    return lambda size: before + "".join(unit.format(n) for n in range(size // (len(unit) + 3))) + after


def names() -> Iterator[str]:
    letters = string.ascii_lowercase
    return ("".join(each) for length in itertools.count(3) for each in itertools.product(letters, repeat=length))


def attributes(size: int) -> str:
    return "<p " + " ".join(itertools.islice(names(), size // 5)) + ">x"


HTML: dict[str, Make] = {
    "attributes": attributes,
    "attributes with values": numbered("a{}=1 ", "<p ", ">x"),
    "attributes of the root": numbered("<html a{}=1>"),
    "styles": repeated("display:block;", "<p style='", "'>x"),
    "elements": repeated("<p>x"),
    "empty elements": repeated("<br>"),
    "other elements": numbered("<a{0}></a{0}>"),
    "ids": numbered("<p id=a{}>x</p>"),
    "rows": repeated("<tr><td>x", "<table>"),
    "links": repeated("<a href=u>x</a>"),
    "items": repeated("<li>x", "<ul>" * 6),
    "text in pieces": repeated("abc<!---->"),
    "text between elements": repeated("\u0416<i></i>"),
    "open elements": repeated("<b>"),
    "end tags": lambda size: "<b>" * 900 + "</i>" * (size // 4),
    "crossed elements": repeated("<b><i></b></i>"),
    "lines": repeated("\n", "<pre>", "x"),
    "spaces": repeated(" ", "x", "x"),
    "angles": repeated("<"),
    "comments": repeated("<!--"),
    "declarations": repeated("<!"),
    "instructions": repeated("<?"),
    "references": repeated("&amp;"),
    "broken references": repeated("&"),
    "a long name": repeated("a", "<", ">x"),
    "a long value": repeated("a", "<a href='", "'>x</a>"),
    "scripts": repeated("<script>"),
    "characters": repeated("\U0001f600\u0301"),
}


def convert(html: str) -> None:
    with suppress(CannotConvert):
        from_html(html)


@pytest.mark.parametrize("make", HTML.values(), ids=HTML)
def test_the_text_of_html_takes_linear_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_to_text, "MOST_SECONDS", 60.0)
    assert grows_like_its_size(make, convert, 64_000)


@pytest.mark.parametrize("kind", ["attributes", "elements", "text between elements", "end tags"])
def test_no_html_takes_longer_than_its_limit(kind: str) -> None:
    html = HTML[kind](LONGEST_BODY)
    began = time.thread_time()

    convert(html)

    assert time.thread_time() - began < 2 * html_to_text.MOST_SECONDS


REQUESTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "addresses": lambda size: {"emailTo": ["a@example.com"] * (size // 20)},
    "a long address": lambda size: {"emailTo": "a@" + "\u00fc." * (size // 3) + "com"},
    "a long subject": lambda size: {"subject": "\u00fc" * (size // 2)},
    "headers": lambda size: {"headers": {f"X-{n}": "v" for n in range(size // 12)}},
    "a long header": lambda size: {"headers": {"X-" + "-a" * (size // 2): "v"}},
    "a long value": lambda size: {"headers": {"X-A": " a" * (size // 2)}},
    "tags": lambda size: {"tags": [str(n) for n in range(size // 8)]},
    "metadata": lambda size: {"metadata": {str(n): "v" for n in range(size // 12)}},
    "attachments": lambda size: {"attachments": [{"filename": "a", "content": "YQ=="}] * (size // 40)},
    "a large attachment": lambda size: {
        "attachments": [{"filename": "a", "content": base64.b64encode(b"a" * (size // 2))}]
    },
    "a long file name": lambda size: {"attachments": [{"filename": ".a" * (size // 2), "content": "YQ=="}]},
    "a long type": lambda size: {
        "attachments": [{"filename": "a", "contentType": "a/" + "a" * size, "content": "YQ=="}]
    },
    "a long time": lambda size: {"sendAt": "2" * size},
    "unknown fields": lambda size: {f"f{n}": 1 for n in range(size // 8)},
    "text": lambda size: {"message": None, "text": "a " * (size // 2)},
}


@pytest.mark.parametrize("make", REQUESTS.values(), ids=REQUESTS)
def test_a_request_takes_linear_time(make: Callable[[int], dict[str, Any]]) -> None:
    extras = Extras(AllowedHeaders.parse(Settings().mail_headers))

    def work(body: bytes) -> None:
        with suppress(Refusal, msgspec.ValidationError):
            send = msgspec.json.decode(body, type=Send)
            send.digest()
            check(send, extras)

    request = {"emailTo": "a@example.com", "subject": "s", "message": "<p>m"}
    assert grows_like_its_size(lambda size: msgspec.json.encode(request | make(size)), work, 4_000_000)


@pytest.mark.parametrize("unit", ["\u0301\u0316", "\u00fc", "@", "\u00fc.", "A"])
def test_the_key_of_an_address_takes_linear_time(unit: str) -> None:
    assert grows_like_its_size(repeated(unit, "a", "@\u00fc.example.com"), addresses.key, 100_000)
    assert grows_like_its_size(repeated(unit, "a@\u00fc."), addresses.key, 100_000)


TEMPLATES: dict[str, Make] = {
    "text": repeated("x"),
    "values": repeated("{{ x }}"),
    "blocks": repeated("{% if x %}{% endif %}"),
    "branches": repeated("{% elif x %}", "{% if x %}", "{% endif %}"),
    "open blocks": repeated("{% if x %}"),
    "open braces": repeated("{{ "),
    "parentheses": repeated("(", "{{ "),
    "comments": repeated("{#"),
    "raw blocks": repeated("{% raw %}{% endraw %}"),
    "open raw blocks": repeated("{% endraw ", "{% raw %}"),
    "spaces": repeated(" ", "{{ x", "}}"),
    "trimmed spaces": repeated(" {%- if x -%} {%- endif -%} "),
    "digits": repeated("1", "{{ ", " }}"),
    "parts of a number": repeated("1_", "{{ ", "1 }}"),
    "quotes": repeated("'", "{{ "),
    "escapes": repeated("\\", "{{ '", "' }}"),
    "texts": repeated("'a' ", "{{ ", " }}"),
    "parts": repeated(".a", "{{ a", " }}"),
    "filters": repeated("|e", "{{ a", " }}"),
    "arguments": repeated("a,", "{{ a|default(", ") }}"),
    "named arguments": numbered("a{}=1,", "{{ a|default(", ") }}"),
    "comparisons": repeated(" < a", "{{ a", " }}"),
    "conditions": repeated(" and a", "{{ a", " }}"),
    "items": repeated("1,", "{{ [", "] }}"),
    "lines": repeated("\n{{ x }}"),
    "names": numbered("{{{{a{}}}}}"),
}


@pytest.mark.parametrize("make", TEMPLATES.values(), ids=TEMPLATES)
def test_a_template_takes_linear_time(make: Make) -> None:
    def work(source: str) -> None:
        language._compile.cache_clear()
        with suppress(language.InvalidTemplate):
            language.check(source, html=True)

    assert grows_like_its_size(make, work, 40_000)


LINES: dict[str, Make] = {
    "a line": repeated("a"),
    "lines": repeated("a\n"),
    "empty lines": repeated("\n", "x"),
    "carriage returns": repeated("\r"),
    "spaces": repeated(" "),
    "lines of spaces": repeated(" " * 990 + "x\n"),
    "spaces at the ends": repeated("x \n"),
    "dots": repeated(".\n"),
    "From": repeated("From \n"),
    "boundaries": repeated("--=_\n"),
    "equals signs": repeated("="),
    "characters": repeated("\u0416"),
}


@pytest.mark.parametrize("make", LINES.values(), ids=LINES)
def test_composing_and_signing_take_linear_time(make: Make) -> None:
    signer = DkimSigner("example.com", "s", lambda: KEY)

    def work(text: str) -> None:
        signer.sign(mime.assemble(message(text=text, html=text)))

    assert grows_like_its_size(make, work, 400_000)


def test_spaces_cost_little_more_to_sign_than_other_text() -> None:
    signer = DkimSigner("example.com", "s", lambda: KEY)

    def seconds(line: str) -> float:
        text = line * 100
        began = time.thread_time()
        signer.sign(mime.assemble(message(text=text, html=text)))
        return time.thread_time() - began

    assert min(seconds("x" + " " * 990 + "x\n") for _ in range(3)) < 15 * min(
        seconds("x" * 992 + "\n") for _ in range(3)
    )
