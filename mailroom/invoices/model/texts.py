"""The grammar of a text: NFC, trimmed, without control characters, of bounded length."""

import re

import msgspec

from mailroom.invoices.model.columns import TextRule
from mailroom.platform.normalization import normalize

# U+FFFD is what a program writes for a character it lost: the text is not what it was.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffd]")
_LINE_END = re.compile("\r\n|\r")


class BadValue(msgspec.Struct, frozen=True):
    """Why a value is refused. The caller knows the column."""

    code: str
    message: str


def read_text(text: str, rule: TextRule) -> str | BadValue:
    """The text as it is stored. A text of several lines keeps its line breaks, as `\\n`."""
    if not (text.isascii() and text.isprintable()):
        text = normalize("NFC", text)
    text = text.strip()
    if not text:
        return BadValue("text.empty", "The value is missing.") if rule.required else ""
    if rule.multiline and ("\r" in text or "\n" in text):
        text = _LINE_END.sub("\n", text)
    if len(text) > rule.max_characters:
        return BadValue("text.too_long", f"{len(text)} characters, at most {rule.max_characters} are kept.")
    forbidden = _FORBIDDEN.search(text.replace("\n", " ") if rule.multiline else text)
    if forbidden is not None:
        return BadValue("text.control_character", f"Character U+{ord(forbidden[0]):04X} is not allowed.")
    return text
