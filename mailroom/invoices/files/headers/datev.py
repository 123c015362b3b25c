"""The first line of a file in DATEV's format. Its bookings have no year, and may have no currency: this line says both.

    "EXTF";700;21;"Buchungsstapel";13;20240130140440439;;"RE";"";"";29098;55003;20240101;4;…;"EUR";…

Source: https://developer.datev.de/datev/platform/de/dtvf/formate/buchungsstapel
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec

from mailroom.invoices.files.values.dates import read_date

_MARKS = ("EXTF", "DTVF")
"""The file is of another program, or of DATEV."""
_FIRST_DAY, _CURRENCY = 12, 21


class BatchHeader(msgspec.Struct, frozen=True):
    """`first_day` is that of the business year. `currency` is the one of bookings that name none, or empty."""

    first_day: date | None
    currency: str


def batch_header(fields: Sequence[str]) -> BatchHeader | None:
    """What the first line of a file says, if the file is in DATEV's format."""
    if fields[0].strip() not in _MARKS or len(fields) <= _FIRST_DAY:
        return None
    first_day = read_date(fields[_FIRST_DAY], "")
    currency = fields[_CURRENCY].strip() if len(fields) > _CURRENCY else ""
    return BatchHeader(first_day if isinstance(first_day, date) else None, currency)
