"""ISO 4217: which codes exist, how many decimals each has, and which signs and names stand for one of them."""

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
}
"""Signs that stand for one currency where it has a cell or a header to itself."""

UNCLEAR_SIGNS = {
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "ARS", "CLP", "COP", "BRL"),
    "£": ("GBP", "EGP", "GIP", "FKP", "SHP"),
    "¥": ("JPY", "CNY"),
    "Fr.": ("CHF",),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "kr.": ("SEK", "NOK", "DKK", "ISK"),
}
"""Signs that stand for several. Beside an amount they may be that of the invoice's currency."""

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


def read_currency(text: str, of_header: str = "") -> tuple[str, int] | BadValue:
    """The code, and how many decimals its amounts have. `of_header` is the currency that the header names, or empty."""
    text = text.strip()
    code = text.upper()
    if code not in decimals():
        code = _codes_by_name().get(" ".join(text.casefold().replace("-", " ").split()), "")
    digits = decimals().get(code)
    if digits is None:
        return _no_currency(text)
    if of_header and code != of_header:
        return BadValue("currency.header", f"{text[:40]!r} is not {of_header}, as the names of the amounts say.")
    return code, digits


def _no_currency(text: str) -> BadValue:
    if not text:
        return BadValue("currency.empty", "The currency is missing.")
    if possible := UNCLEAR_SIGNS.get(text):
        message = (
            f"{text!r} may be {', '.join(possible)} or another: write the code, or give it in a preset as a constant."
        )
        return BadValue("currency.ambiguous", message)
    return BadValue("currency.unknown", f"{text[:40]!r} is no ISO 4217 code such as EUR.")
