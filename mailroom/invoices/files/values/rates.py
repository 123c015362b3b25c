"""The grammar of a VAT rate: per cent, `19`, `19 %`, `19,0`, `8.875%`. Without its `%`, `0.19` may mean 19 %."""

import re

from mailroom.invoices.model.texts import BadValue

RATE_DIGITS = 4
"""Decimals of a rate in per cent: some sales taxes of the United States have as many."""
WHOLE = 100 * 10**RATE_DIGITS
"""100 %: rates are whole numbers of ten-thousandths of a per cent."""

_RATE = re.compile(rf"([0-9]{{1,3}})(?:[.,]([0-9]{{1,{RATE_DIGITS}}}))?\s?(%)?")


def read_rate(text: str) -> int | BadValue:
    """The rate in ten-thousandths of a per cent, from 0 to `WHOLE`."""
    text = text.strip()
    if not text:
        return BadValue("rate.empty", "The VAT rate is missing, and no amounts can be derived without it.")
    shape = _RATE.fullmatch(text)
    rate = int(shape[1] + (shape[2] or "").ljust(RATE_DIGITS, "0")) if shape and text.isascii() else WHOLE + 1
    if shape is None or rate > WHOLE:
        return BadValue("rate.invalid", f"{text[:40]!r} is not a VAT rate in per cent such as 19, 19% or 8.875.")
    if 0 < rate < WHOLE // 100 and not shape[3]:
        message = f"{text!r} may be {text} % or a fraction of 1: write it in per cent, or with a % sign."
        return BadValue("rate.ambiguous", message)
    return rate
