"""Characters that nobody sees are refused by name, except where a script needs them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.invoices.model.columns import EXTRA_TEXT, TEXTS
from mailroom.invoices.model.texts import BadValue, read_text

NAME, NUMBER, STATUS = TEXTS["supplierName"], TEXTS["invoiceNumber"], TEXTS["status"]
RULES = [*TEXTS.values(), EXTRA_TEXT]

BIDIRECTIONAL = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
ZERO_WIDTH = ["\u200b", "\u2060", "\ufeff", "\u00ad", "\u180e", "\u3164", "\u115f", "\U000e0041", "\u2063", "\u034f"]
FOR_SOME_SCRIPTS = ["\u200c", "\u200d", "\u200e", "\u200f", "\u061c", "\ufe0f", "\U000e0100"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("character", [*BIDIRECTIONAL, *ZERO_WIDTH, *FOR_SOME_SCRIPTS], ids=lambda c: f"U+{ord(c):04X}")
def test_an_invisible_character_in_a_latin_text_is_refused_by_name(character, rule):
    for text in (f"Ac{character}me", f"Ä{character}B", f"12{character}3", f"{character}Acme", f"Acme{character}"):
        value = read_text(text, rule)
        assert isinstance(value, BadValue)
        assert value.code == "text.invisible_character"
        assert f"U+{ord(character):04X} ({unicodedata.name(character)})" in value.message


@pytest.mark.parametrize("character", [*BIDIRECTIONAL, "\u200b", "\u2060", "\ufeff"], ids=lambda c: f"U+{ord(c):04X}")
def test_no_script_needs_an_override_or_a_zero_width_space(character):
    assert isinstance(read_text(f"\u05d7\u05d1{character}\u05e8\u05d4", NAME), BadValue)


@pytest.mark.parametrize(
    "text",
    [
        "\u0634\u0631\u06a9\u062a \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, a non-joiner in a word
        "\u06f1\u06f4\u06f0\u06f2 \u0647\u200d.\u0642",  # "h." of a Persian year, which a joiner shapes
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3 \u0dbd\u0d82\u0d9a\u0dcf",  # Sri Lanka in Sinhala
        "\u05d7\u05d1\u05e8\u05d4 (Israel)\u200f 12",  # a mark after a bracket in a Hebrew name
        "\u0634\u0631\u0643\u0629 ABC\u200e (12)\u061c",
        "\u845b\U000e0100\u57ce",  # the form of a Japanese name
        "Caf\u00e9 \u2615\ufe0f",
        "Acme\u00ae\ufe0f",
        "\U0001f469\u200d\U0001f4bb Ltd",
        "\u2764\ufe0f\u200d\U0001f525",
    ],
)
def test_what_a_script_or_an_emoji_needs_stays(text):
    assert read_text(text, NAME) == text
    assert read_text(text, EXTRA_TEXT) == text
    assert read_text(text, STATUS) == text


def test_a_number_has_no_invisible_characters_in_any_script():
    assert isinstance(read_text("\u0645\u06cc\u200c\u062e-12", NUMBER), BadValue)
    assert isinstance(read_text("\u05d0\u200f-12", NUMBER), BadValue)


@pytest.mark.parametrize("text", ["\u0645\u200c", "\u0645\u200c \u0645", "\u0645\u200c\u200c\u0645", "\u200c\u0645"])
def test_a_joiner_stands_once_and_within_a_word(text):
    assert isinstance(read_text(text, NAME), BadValue)


@pytest.mark.parametrize(
    "text",
    [
        "\u3402\ufe0f\ufe0f",  # a second variation selector
        "\uff21\uff22\u200c\uff23",  # full-width Latin
        "\U0001d400\u200da",  # a mathematical letter
        "\u00aa\u200da",
        "A\u00b4\u200da",
    ],
)
def test_what_looks_the_same_with_and_without_it_is_refused(text):
    assert isinstance(read_text(text, NAME), BadValue)


@given(st.text())
def test_a_text_that_was_kept_is_kept_again(text):
    for rule in RULES:
        kept = read_text(text, rule)
        assert isinstance(kept, BadValue) or read_text(kept, rule) == kept
