"""What a deployment, a folder or a preset may say about reading files."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import msgspec

DateOrder = Literal["", "dmy", "mdy"]
DecimalMark = Literal["", ".", ","]
YEAR_PIVOT = 70
LineItems = Literal["reject", "lastWins", "addUp"]
"""What to do with rows of one invoice that differ: reject them all, let the last one count, or add up those that follow
one another."""


class Rules(msgspec.Struct, frozen=True):
    """An empty value means: detect it, and refuse what stays ambiguous. The first names are those of settings, IMPORT_…

    `aliases` maps a header name to one of `MAPPABLE`; None drops the column, also where the name is a built-in alias.
    `constants` gives the text of columns that the file lacks, for all rows. With `line_items` `addUp`, the amounts
    `invoice_amounts` are those of the whole invoice, on each of its rows or on its first; the others are added up.
    """

    date_order: DateOrder = ""
    decimal_mark: DecimalMark = ""
    statuses: frozenset[str] = frozenset()  # empty: any
    amount_tolerance: Decimal = Decimal("0.02")  # |gross - net - vat|, in the invoice's currency
    extra_columns: Literal["reject", "keep"] = "keep"
    aliases: Mapping[str, str | None] = msgspec.field(default_factory=dict)
    max_record_bytes: int = 1 << 20  # not a setting
    status_required: bool = False  # of known programs only: a row without a status is no invoice
    encoding: str = ""
    year_pivot: int = YEAR_PIVOT  # two-digit years from this one on are of the 20th century
    # Only folders and presets:
    constants: Mapping[str, str] = msgspec.field(default_factory=dict)
    line_items: LineItems = "reject"
    invoice_amounts: frozenset[str] = frozenset()
    continuation_rows: bool = False  # rows without a number belong to the row above
    minor_units: bool = False  # amounts are in cents
    sheet: str = ""  # of a workbook: its name, or its number from 1; empty: the first visible one
    stated: frozenset[str] = frozenset()  # the fields that a folder or a preset gives: no known program changes them

    @property
    def has_lines(self) -> bool:
        """Whether an invoice may have several rows."""
        return self.line_items == "addUp" or self.continuation_rows
