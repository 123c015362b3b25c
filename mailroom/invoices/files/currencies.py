"""ISO 4217: which codes exist, and how many decimals each has."""

from functools import cache


@cache
def decimals() -> dict[str, int]:
    """Currency code -> digits after the decimal mark. Units that have none defined (gold, tests) are left out."""
    from iso4217 import Currency  # parses its table when imported (tens of milliseconds): only when a row needs it

    return {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}
