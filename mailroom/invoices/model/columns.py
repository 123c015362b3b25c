"""The columns of an invoice and of its lines: their names, order, types and limits. No other module lists them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import NamedTuple

import msgspec

COLUMNS = (
    "invoiceNumber",
    "invoiceDate",
    "grossAmount",
    "netAmount",
    "vatAmount",
    "supplierName",
    "supplierAddress",
    "currency",
    "status",
)
"""In the order of a file without a header."""

AMOUNTS = COLUMNS[2:5]

VAT_RATE = "vatRate"
"""A column from which amounts are derived: the VAT rate in per cent."""

LINE_COLUMNS = ("lineNumber", "lineText", "lineQuantity", "lineNet", "lineRate")
"""What is kept of each line of an invoice whose file has a row for each line. `lineRate` is in per cent."""

MAPPABLE = (*COLUMNS, VAT_RATE, *LINE_COLUMNS)
"""What a column of a file may be mapped to."""


class TextRule(NamedTuple):
    """The limits of a text: its length, whether it must be there, and whether it may have several lines.

    An `identifier` has no invisible characters, in any script.
    """

    max_characters: int
    required: bool = False
    multiline: bool = False
    identifier: bool = False


TEXTS = {
    "invoiceNumber": TextRule(100, required=True, identifier=True),
    "supplierName": TextRule(300, required=True),
    "supplierAddress": TextRule(1000, multiline=True),
    "status": TextRule(50),
}
EXTRA_TEXT = TextRule(1000, multiline=True)
"""The rule for columns of a file that are none of the nine."""

REQUIRED = tuple(column for column in COLUMNS if column not in TEXTS or TEXTS[column].required)

LOOKUPS = ("invoiceNumber", "supplier", "status", "currency")
"""The filters that one index over `lookups` serves, in the order of its entries. `supplier` is the `supplierKey`."""


class ParsedLine(msgspec.Struct, frozen=True):
    """A line of an invoice as its file has it. What the file lacks is empty; `net` is in the invoice's currency."""

    number: str = ""
    text: str = ""
    quantity: str = ""
    net: Decimal | None = None
    rate: str = ""


class ParsedInvoice(msgspec.Struct, frozen=True):
    """A valid row: the values of `COLUMNS`, and those of other columns by name.

    Amounts have exactly the digits of their currency (EUR 2, JPY 0, KWD 3). `derived` names those of `AMOUNTS` that the
    file does not state. `lines` are the rows of an invoice that were added up.
    """

    invoice_number: str
    invoice_date: date
    gross_amount: Decimal
    net_amount: Decimal
    vat_amount: Decimal
    supplier_name: str
    supplier_address: str
    currency: str
    status: str
    extra: dict[str, str]
    derived: tuple[str, ...] = ()
    lines: tuple[ParsedLine, ...] = ()
