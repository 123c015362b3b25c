"""The grammar of a text: NFC, trimmed, without control and invisible characters, of bounded length."""

import re
import unicodedata

import msgspec

from mailroom.invoices.model.columns import TextRule
from mailroom.platform.normalization import normalize

# U+FFFD is what a program writes for a character it lost: the text is not what it was.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffd]")
_LINE_END = re.compile("\r\n|\r")

# What Unicode calls default ignorable, and the marks of annotations: nobody sees these characters, but they make two
# texts differ, or turn around what stands beside them.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_JOINERS = re.compile("[\u200c\u200d]")
_DIRECTION_MARKS = re.compile("[\u061c\u200e\u200f]")
_VARIATION_SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# The names of characters that no joiner or variation selector follows.
_WITHOUT_JOINERS = re.compile(r"\b(?:LATIN|GREEK|CYRILLIC|COMBINING|MATHEMATICAL|ORDINAL)\b")
_SKIN_COLOURS = re.compile("[\U0001f3fb-\U0001f3ff]")


class BadValue(msgspec.Struct, frozen=True):
    """Why a value is refused. The caller knows the column."""

    code: str
    message: str


def read_text(text: str, rule: TextRule) -> str | BadValue:
    """The text as it is stored. A text of several lines keeps its line breaks, as `\\n`."""
    plain = text.isascii() and text.isprintable()
    if not plain:
        text = normalize("NFC", text)
    text = text.strip()
    if not text:
        return BadValue("text.empty", "The value is missing.") if rule.required else ""
    if rule.multiline and ("\r" in text or "\n" in text):
        text = _LINE_END.sub("\n", text)
    if len(text) > rule.max_characters:
        return BadValue("text.too_long", f"{len(text)} characters, at most {rule.max_characters} are kept.")
    if plain:
        return text
    forbidden = _FORBIDDEN.search(text.replace("\n", " ") if rule.multiline else text)
    if forbidden is not None:
        return BadValue("text.control_character", f"Character U+{ord(forbidden[0]):04X} is not allowed.")
    for found in _INVISIBLE.finditer(text):
        if rule.identifier or not _is_needed(text, found.start()):
            character = f"U+{ord(found[0]):04X} ({unicodedata.name(found[0], 'unnamed')})"
            return BadValue("text.invisible_character", f"The invisible character {character} is not allowed here.")
    return text


def _is_needed(text: str, at: int) -> bool:
    """Whether the script of `text` needs the invisible character at this place."""
    character, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if _JOINERS.match(character):
        return _joins(before) and bool(after.strip()) and not _INVISIBLE.match(after)
    if _DIRECTION_MARKS.match(character):
        return any(each.isalpha() and unicodedata.bidirectional(each) in ("R", "AL") for each in text)
    return bool(_VARIATION_SELECTORS.match(character)) and _joins(before) and not _INVISIBLE.match(before)


def _joins(character: str) -> bool:
    """Whether it is a letter or symbol that may be followed by a joiner or a variation selector."""
    if not character:
        return False
    if _VARIATION_SELECTORS.match(character) or _SKIN_COLOURS.match(character):
        return True
    if unicodedata.category(character) not in ("Lo", "Lm", "Ll", "Lu", "Mn", "Mc", "So") or _INVISIBLE.match(character):
        return False
    return not _WITHOUT_JOINERS.search(unicodedata.name(character, ""))
