"""What a deployment may set about reading files."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import msgspec

DateOrder = Literal["", "dmy", "mdy"]
DecimalMark = Literal["", ".", ","]


class Rules(msgspec.Struct, frozen=True):
    """An empty value means: detect it, and refuse what stays ambiguous. Each name is that of a setting, IMPORT_…"""

    date_order: DateOrder = ""
    decimal_mark: DecimalMark = ""
    statuses: frozenset[str] = frozenset()  # empty: any
    amount_tolerance: Decimal = Decimal("0.02")  # |gross - net - vat|, in the invoice's currency
    extra_columns: Literal["reject", "keep"] = "keep"
    aliases: Mapping[str, str] = msgspec.field(default_factory=dict)  # header name -> one of COLUMNS
    max_record_bytes: int = 1 << 20  # not a setting
    encoding: str = ""
