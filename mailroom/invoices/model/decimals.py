"""Amounts of money as MongoDB keeps them, and as text."""

from __future__ import annotations

from struct import Struct

from bson import Decimal128

# The layout of a Decimal128: sign, exponent, digits (https://en.wikipedia.org/wiki/Decimal128_floating-point_format).
_SIGN_AT, _EXPONENT_AT = 127, 113
_ONE = 6176  # this exponent is that of whole numbers
_OTHER_LAYOUT = 0b11 << 125  # also that of NaN and the infinities
_HALVES = Struct("<QQ")
_CENTS = (_ONE - 2) << (_EXPONENT_AT - 64)  # the upper half of a usual amount: two decimals, no sign, few digits


def plain_text(amount: Decimal128) -> str:
    """All its digits, without an exponent: `-1190.00`. By way of `Decimal` it takes eight times as long."""
    low, high = _HALVES.unpack(amount.bid)
    if high == _CENTS and low > 99:
        cents = str(low)
        return f"{cents[:-2]}.{cents[-2:]}"
    bits = high << 64 | low
    places = _ONE - (bits >> _EXPONENT_AT & 0x3FFF)
    if bits & _OTHER_LAYOUT == _OTHER_LAYOUT or places <= 0:
        return format(amount.to_decimal(), "f")
    digits = str(bits & (1 << _EXPONENT_AT) - 1).rjust(places + 1, "0")
    return f"{'-' if bits >> _SIGN_AT else ''}{digits[:-places]}.{digits[-places:]}"
