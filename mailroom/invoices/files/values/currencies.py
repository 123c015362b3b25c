"""ISO 4217: which codes exist, how many decimals each has, and which signs and names stand for one of them."""

import re
from functools import cache

from mailroom.invoices.model.texts import BadValue

SIGNS = {
    "€": "EUR",
    "£": "GBP",
    "US$": "USD",
    "CA$": "CAD",
    "AU$": "AUD",
    "A$": "AUD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "S$": "SGD",
    "NT$": "TWD",
    "MX$": "MXN",
    "R$": "BRL",
    "SFr.": "CHF",
    "zł": "PLN",
    "Kč": "CZK",
    "Ft": "HUF",
    "₹": "INR",
    "₺": "TRY",
    "₽": "RUB",
    "₴": "UAH",
    "₩": "KRW",
    "₪": "ILS",
    "₱": "PHP",
    "฿": "THB",
    "₫": "VND",
    "₦": "NGN",
    "₵": "GHS",
    "₡": "CRC",
    "₲": "PYG",
    "₸": "KZT",
    "₾": "GEL",
    "RM": "MYR",
    "Rp": "IDR",
    "KSh": "KES",
}
"""Signs that stand for one currency where it has a cell or a header to itself."""

UNCLEAR_SIGNS = {
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP", "BRL"),
    "£": ("GBP", "EGP", "GIP", "FKP", "SHP"),
    "¥": ("JPY", "CNY"),
    "Fr.": ("CHF",),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "kr.": ("SEK", "NOK", "DKK", "ISK"),
    "Rs": ("INR", "PKR", "LKR", "NPR", "MUR"),
    "Rs.": ("INR", "PKR", "LKR", "NPR", "MUR"),
    "R": ("ZAR",),
}
"""Signs that stand for several. Beside an amount they may be that of the invoice's currency."""

_WITH_NAME = re.compile(r"(?P<name>[^\W\d_][^\d]{2,40}) - (?P<code>[A-Z]{3})")
_SHORT = 2  # letters: `US` is a part of no name

_FURTHER_NAMES = {"euros": "EUR", "us dollars": "USD", "british pound": "GBP", "pounds sterling": "GBP"}


@cache
def decimals() -> dict[str, int]:
    """Currency code -> digits after the decimal mark. Units that have none defined (gold, tests) are left out."""
    from iso4217 import Currency  # parses its table when imported (tens of milliseconds): only when a row needs it

    return {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}


@cache
def _codes_by_name() -> dict[str, str]:
    """Signs and the names of ISO 4217, casefolded -> code. A name of two currencies is left out."""
    from iso4217 import Currency

    codes: dict[str, set[str]] = {}
    for currency in Currency:
        codes.setdefault(currency.currency_name.casefold(), set()).add(currency.code)
    named = {name: code for name, (code, *others) in codes.items() if not others}
    return named | _FURTHER_NAMES | {sign.casefold(): code for sign, code in SIGNS.items()}


def read_currency(text: str, of_header: str = "", constant: str = "") -> tuple[str, int] | BadValue:
    """The code, and how many decimals its amounts have. `of_header` is the currency that the header names, or empty.

    `constant` is what a preset says: it tells which of several currencies a sign stands for.
    """
    text = text.strip()
    code = text.upper()
    if code not in decimals():
        code = _codes_by_name().get(" ".join(text.casefold().replace("-", " ").split()), "") or _beside_name(text)
    if not code and constant and text in UNCLEAR_SIGNS:
        own = read_currency(constant)
        code = own[0] if isinstance(own, tuple) and own[0] in UNCLEAR_SIGNS[text] else ""
    digits = decimals().get(code)
    if digits is None:
        return _no_currency(text)
    if of_header and code != of_header:
        return BadValue("currency.header", f"{text[:40]!r} is not {of_header}, as the names of the amounts say.")
    return code, digits


def _beside_name(text: str) -> str:
    """The code in `Swedish Krona - SEK`, if the name has a word of this currency's own."""
    found = _WITH_NAME.fullmatch(text)
    code = found["code"] if found else ""
    return code if found and code in decimals() and not _words_of(code).isdisjoint(_words(found["name"])) else ""


@cache
def _words_of(code: str) -> frozenset[str]:
    from iso4217 import Currency

    return _words(Currency(code).currency_name)


def _words(name: str) -> frozenset[str]:
    return frozenset(word for word in name.casefold().split() if len(word) > _SHORT)


def _no_currency(text: str) -> BadValue:
    if not text:
        return BadValue("currency.empty", "The currency is missing.")
    if possible := UNCLEAR_SIGNS.get(text):
        message = (
            f"{text!r} may be {', '.join(possible)} or another: write the code, or give it in a preset as a constant."
        )
        return BadValue("currency.ambiguous", message)
    advice = "Write the code, or map the column to null in a preset and give the currency as a constant."
    return BadValue("currency.unknown", f"{text[:40]!r} is no ISO 4217 code such as EUR. {advice}")
