"""The grammar of an amount of money. Everything it does not name is refused; nothing is guessed.

amount = [unit] [sign] number [unit]  |  "(" amount without sign ")"  |  number "-"
number = 1-15 digits, or 1-3 digits and groups of three after one kind of separator; then mark and digits
         (or, as in India, groups of two after commas, and one of three at last)
"""

import re
from decimal import Decimal

from mailroom.invoices.files.rules import DecimalMark
from mailroom.invoices.files.values.currencies import SIGNS, UNCLEAR_SIGNS
from mailroom.invoices.model.texts import BadValue

MAX_INTEGER_DIGITS = 15
_LONGEST = 64
"""Characters of the longest amount that could be valid, and then some."""
_PLAIN = {
    ".": re.compile(r"-?[0-9]{1,15}(?:\.([0-9]+))?"),
    ",": re.compile(r"-?[0-9]{1,15}(?:,([0-9]+))?"),
    # Without a proven mark, three decimals could as well be a group of thousands.
    "": re.compile(r"-?[0-9]{1,15}(?:\.([0-9]{1,2}))?"),
}
_UNIT = r"[^\d\s()+\-\u2212.,'\u2019]{1,3}\.?"
_SHAPE = re.compile(
    rf"(?P<u1>{_UNIT})?\s?(?P<open>\()?(?P<sign>[+\-\u2212])?\s?(?P<u2>{_UNIT})?\s?"
    r"(?P<number>[0-9](?:[0-9.,'\u2019 \u00a0\u202f\u2009]*[0-9])?)"
    rf"\s?(?P<after>[\-\u2212])?\s?(?P<u3>{_UNIT})?(?P<close>\))?\s?(?P<u4>{_UNIT})?"
)
_GROUPS = re.compile(r"[0-9]{1,3}(?:([.,'\u2019 \u00a0\u202f\u2009])[0-9]{3})(?:\1[0-9]{3})*")
_INDIAN = re.compile(r"[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}")
_MARKS = ".,"
_NOT_ZERO = re.compile("[1-9]")
_CODE = re.compile(r"[A-Za-z]{3}")

_CURRENCIES = {sign: (code,) for sign, code in SIGNS.items()} | UNCLEAR_SIGNS
"""The currencies that a sign beside an amount may stand for."""


def read_amount(
    text: str, mark: DecimalMark, currency: str, digits: int | None, minor_units: bool = False
) -> Decimal | BadValue:
    """The amount with exactly `digits` decimals. `digits` None: the currency is not known, only the form is judged.

    `minor_units`: the number counts the smallest units of its currency, as cents.
    """
    plain = None if minor_units else _PLAIN[mark].fullmatch(text)
    if plain is not None:
        fraction = plain[1] or ""
        return _scaled(text.replace(",", "."), len(fraction), digits)
    text = text.strip()
    if not text:
        return BadValue("amount.empty", "The amount is missing.")
    shape = _shape(text)
    if shape is None:
        return _not_a_number(text)
    number = shape["number"]
    units = [unit for unit in (shape["u1"], shape["u2"], shape["u3"], shape["u4"]) if unit]
    signs = [sign for sign in (shape["open"], shape["sign"], shape["after"]) if sign]
    if len(units) > 1 or len(signs) > 1 or bool(shape["open"]) != bool(shape["close"]):
        return _not_a_number(text)
    if units and units[0] not in _CURRENCIES and not _CODE.fullmatch(units[0]):
        return _not_a_number(text)
    if units and digits is not None and units[0].upper() != currency and currency not in _CURRENCIES.get(units[0], ()):
        return BadValue("amount.currency", f"{units[0]!r} beside the amount is not the invoice's currency {currency}.")
    minus = "-" if signs and signs[0] != "+" else ""
    if minor_units:
        return _of_minor_units(minus, number, digits or 0)
    used = mark or decimal_mark(number)
    if used == "?":
        message = f"{number!r} may be a decimal or thousands: set IMPORT_DECIMAL_MARK to '.' or ','."
        return BadValue("amount.ambiguous", message)
    integer, _, fraction = number.partition(used) if used else (number, "", "")
    separator = _separator(integer)
    if separator != used:
        integer = integer.replace(separator, "")
    if not _ascii_digits(integer) or (fraction and not _ascii_digits(fraction)):
        return _not_a_number(text)
    if len(integer) > MAX_INTEGER_DIGITS:
        return _too_large()
    return _scaled(f"{minus}{integer}.{fraction}" if fraction else f"{minus}{integer}", len(fraction), digits)


def decimal_mark(number: str) -> str:
    """The mark that a bare number proves by itself: `.`, `,`, `""` (nothing to prove) or `?` (either would do)."""
    present = [mark for mark in _MARKS if mark in number]
    if len(present) == 2:
        last = max(present, key=number.rindex)
        return last if number.count(last) == 1 else ""
    if not present:
        return ""
    mark = present[0]
    if number.count(mark) > 1:
        return "," if mark == "." else "."  # it groups thousands, so the other one is the decimal mark
    integer, _, fraction = number.partition(mark)
    if len(fraction) == 3 and _ascii_digits(integer) and len(integer) <= 3 and not integer.startswith("0"):
        return "?"
    return mark


def evidence(text: str) -> str:
    """What an amount as written says about the decimal mark: as `decimal_mark`, and `""` for what is no amount."""
    shape = _shape(text.strip())
    if shape is None:
        return ""
    number = shape["number"]
    mark = decimal_mark(number)
    if mark in _MARKS and mark:
        integer = number.partition(mark)[0]
        if not _ascii_digits(integer) and not _separator(integer):
            return ""
    return mark


def is_amount(text: str) -> bool:
    """Whether it has the form of an amount, whatever its mark and unit."""
    return _shape(text.strip()) is not None


def is_nonzero(text: str) -> bool:
    """Whether it is an amount other than zero."""
    return bool(_NOT_ZERO.search(text)) and is_amount(text)


def _shape(text: str) -> re.Match[str] | None:
    return _SHAPE.fullmatch(text) if len(text) <= _LONGEST else None


def _separator(integer: str) -> str:
    """What separates the groups of its digits; empty: nothing, or it has no groups."""
    grouped = _GROUPS.fullmatch(integer)
    return grouped[1] if grouped else "," if _INDIAN.fullmatch(integer) else ""


def _ascii_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _of_minor_units(minus: str, number: str, digits: int) -> Decimal | BadValue:
    if not _ascii_digits(number):
        message = f"{number!r} is not a whole number, and the preset says that amounts are in minor units, as cents."
        return BadValue("amount.not_a_number", message)
    if len(number) > MAX_INTEGER_DIGITS + digits:
        return _too_large()
    return _no_negative_zero(Decimal(minus + number).scaleb(-digits))


def _too_large() -> BadValue:
    return BadValue("amount.too_large", f"More than {MAX_INTEGER_DIGITS} digits before the decimal mark.")


def _scaled(number: str, decimals: int, digits: int | None) -> Decimal | BadValue:
    """The number with exactly `digits` of its `decimals`. Those that are cut off are zeros."""
    if digits is not None and decimals != digits:
        if decimals > digits:
            if not number.endswith("0" * (decimals - digits)):
                return BadValue("amount.too_many_digits", f"{decimals} decimals, but the currency has {digits}.")
            number = number[: digits - decimals].rstrip(".")
        else:
            number += ("." if decimals == 0 else "") + "0" * (digits - decimals)
    return _no_negative_zero(Decimal(number))


def _no_negative_zero(amount: Decimal) -> Decimal:
    return amount if amount else abs(amount)


def _not_a_number(text: str) -> BadValue:
    return BadValue("amount.not_a_number", f"{text[:40]!r} is not an amount such as 1190.00, 1.190,00 or -12.50.")
