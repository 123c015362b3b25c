"""Normal forms of Unicode, in linear time."""

from __future__ import annotations

import unicodedata
from itertools import groupby
from typing import Literal

_DECOMPOSED: dict[str, Literal["NFD", "NFKD"]] = {"NFC": "NFD", "NFKC": "NFKD"}

_SHORT = 100  # characters, for which quadratic time is no matter


def normalize(form: Literal["NFC", "NFKC"], text: str) -> str:
    """Returns what `unicodedata.normalize` does, which takes quadratic time to sort the marks of one letter."""
    if len(text) <= _SHORT:
        return unicodedata.normalize(form, text)
    if unicodedata.is_normalized(form, text):
        return text
    characters = "".join(unicodedata.normalize(_DECOMPOSED[form], each) for each in text)
    ordered = (sorted(run, key=unicodedata.combining) for _, run in groupby(characters, key=_is_mark))
    return unicodedata.normalize(form, "".join(each for run in ordered for each in run))


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) != 0
