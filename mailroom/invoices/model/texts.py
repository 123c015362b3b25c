"""The grammar of a text: NFC, trimmed, without control characters, of bounded length."""

import re
import unicodedata

from mailroom.invoices.files.amounts import Fault

# U+FFFD is what a program writes for a character it lost: the text is not what it was.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffd]")
_LINE_END = re.compile("\r\n|\r")


def read_text(text: str, limit: int, *, required: bool, multiline: bool) -> str | Fault:
    """The text as it is stored. `multiline` texts keep line breaks, as `\\n`."""
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFC", text)
    text = text.strip()
    if not text:
        return Fault("text.empty", "The value is missing.") if required else ""
    if multiline and ("\r" in text or "\n" in text):
        text = _LINE_END.sub("\n", text)
    if len(text) > limit:
        return Fault("text.too_long", f"{len(text)} characters, at most {limit} are kept.")
    forbidden = _FORBIDDEN.search(text.replace("\n", " ") if multiline else text)
    if forbidden is not None:
        return Fault("text.control_character", f"Character U+{ord(forbidden[0]):04X} is not allowed.")
    return text
