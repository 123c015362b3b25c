"""How much the name of a column is like the names that we know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from rapidfuzz import fuzz

from mailroom.invoices.files.headers.header_names import HEADER_NAMES
from mailroom.invoices.files.headers.normalised_names import normalised
from mailroom.invoices.model.columns import COLUMNS, VAT_RATE

_LEAST = 0.8
"""Below this, two names are not similar."""

_LONGEST = 200  # characters of a name that are looked at


def similar_columns(name: str) -> dict[str, float]:
    """Our columns whose names are similar to `name`, each with a number up to 1."""
    words = _words(name)
    found: dict[str, float] = {}
    if words:
        for known, column in _known():
            score = _similarity(words, known)
            if score > found.get(column, 0):
                found[column] = score
    return found


def _similarity(words: Sequence[str], known: Sequence[str]) -> float:
    """1 for the same words in any order; less for other spellings, and for known words among others.

    A part of the known words says nothing: `Amount` may be any amount.
    """
    if set(words) < set(known):
        return 0.0
    spelled = max(
        fuzz.ratio("".join(words), "".join(known)),
        fuzz.token_sort_ratio(" ".join(words), " ".join(known)),
    )
    if spelled >= 100 * _LEAST:
        return spelled / 100
    among_others = set(known) < set(words) and 2 * len(known) >= len(words)
    return 0.4 + 0.5 * len(known) / len(words) if among_others else 0.0


@cache
def _known() -> list[tuple[list[str], str]]:
    names = [
        (name, column)
        for columns in HEADER_NAMES.values()
        for column, text in columns.items()
        for name in re.split("[,;]", text)
    ]
    return [(_words(name), column) for name, column in [*names, *((column, column) for column in (*COLUMNS, VAT_RATE))]]


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name[:_LONGEST]).replace("%", " percent ")
    return [word for part in re.split(r"[\W_]+", spaced) if (word := normalised(part))]
