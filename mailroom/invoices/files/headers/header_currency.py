"""Currencies in the names of amounts: `Gross (EUR)`, `Amount in EUR`, `Total [GBP]`, `Brutto €`."""

import re
from collections.abc import Sequence

from mailroom.invoices.files.errors import FileRejected
from mailroom.invoices.files.values.currencies import SIGNS, read_currency
from mailroom.invoices.model.columns import AMOUNTS

_SIGN = "|".join(re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True))
_UNIT = rf"[A-Z]{{3}}|{_SIGN}|Euro"
_ENDING = re.compile(
    rf"(?:[\s_]*\(\s*({_UNIT})\s*\)|[\s_]*\[\s*({_UNIT})\s*\]|[\s_]+(?:in|en|em|w|i)[\s_]+({_UNIT})"
    rf"|(?:[\s_]+|(?![A-Za-z]+\s*\Z))({_SIGN}))\s*\Z"
)
"""A currency after a name: in brackets, as a sign, or after `in` in one of the nine languages.

A sign of letters only, such as `RM`, stands apart: it is not the end of a word.
"""

_LONGEST = 100  # characters of a name
_WORDS = frozenset({"ALL"})
"""Codes that are words in the headers of programs: `Total (ALL)`."""


def split_currency(name: str) -> tuple[str, str] | None:
    """The name without its currency, and the currency's code. None if the name ends in none that is sure."""
    found = _ENDING.search(name) if len(name) <= _LONGEST else None
    if found is None or not found.start():
        return None
    unit = next(each for each in found.groups() if each)
    currency = read_currency(unit)
    if unit in _WORDS or not isinstance(currency, tuple):
        return None
    return name[: found.start()], currency[0]


def header_currencies(names: Sequence[str], columns: Sequence[str | None]) -> list[str]:
    """The currencies in the names of the amounts."""
    amounts = (name for name, column in zip(names, columns, strict=True) if column in AMOUNTS)
    return sorted({split[1] for name in amounts if (split := split_currency(name))})


def header_currency(names: Sequence[str], columns: Sequence[str], constant: str) -> str:
    """The currency of the amounts that their names say; empty: they say none. `constant` is a preset's, or empty.

    Raises FileRejected `header.currency` if they contradict each other.
    """
    found = header_currencies(names, columns)
    if len(found) > 1:
        message = f"The names of the amounts have different currencies: {', '.join(found)}. Map one column of each."
        raise FileRejected("header.currency", message, "currency")
    return agreed_currency(found[0], constant) if found else ""


def agreed_currency(said: str, constant: str) -> str:
    """What a file says for all rows. Raises FileRejected `header.currency` if a preset says another currency."""
    own = read_currency(constant) if constant.strip() else None
    if isinstance(own, tuple) and own != read_currency(said):
        message = f"The header says {said}, and the preset's constants.currency says {own[0]}. Correct one of them."
        raise FileRejected("header.currency", message, "currency")
    return said
