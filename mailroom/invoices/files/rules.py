"""The values that reading an invoice file takes and gives. All are plain and know nothing of storage."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Literal

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
"""The columns in the order of a file without a header."""

REQUIRED = tuple(column for column in COLUMNS if column not in ("supplierAddress", "status"))

DateOrder = Literal["", "dmy", "mdy"]
DecimalMark = Literal["", ".", ","]


class FileRejected(Exception):
    """The whole file is refused, for good: reading it again gives the same answer.

    `code` is stable (docs/importing-codes.md), `message` is for the person who made the file.
    """

    def __init__(self, code: str, message: str, column: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.column = column


class Rules(msgspec.Struct, frozen=True):
    """What a deployment may set. An empty value means: detect it, and refuse what stays ambiguous."""

    date_order: DateOrder = ""  # IMPORT_DATE_ORDER
    decimal_mark: DecimalMark = ""  # IMPORT_DECIMAL_MARK
    statuses: frozenset[str] = frozenset()  # IMPORT_STATUSES; empty: any
    amount_tolerance: Decimal = Decimal(
        "0.02"
    )  # IMPORT_AMOUNT_TOLERANCE: |gross - net - vat|, in the invoice's currency
    extra_columns: Literal["reject", "keep"] = "keep"  # IMPORT_EXTRA_COLUMNS
    aliases: Mapping[str, str] = msgspec.field(default_factory=dict)  # header name -> one of COLUMNS
    max_record_bytes: int = 1 << 20
    encoding: str = ""  # IMPORT_ENCODING


class Problem(msgspec.Struct, frozen=True):
    """One reason against one row. `column` is one of COLUMNS, or None when the row as a whole is at fault."""

    column: str | None
    code: str
    message: str


class Record(msgspec.Struct):
    """One row of the file, split into fields but not yet understood.

    `row` counts from 1 and leaves out the header and blank lines. `offset` and `end` are bytes of the content;
    `end` is a valid offset to go on from. `raw` is the row's text without its line end.
    """

    row: int
    offset: int
    end: int
    raw: str
    fields: list[str]


class Malformed(msgspec.Struct):
    """A stretch of the file that is not a row: broken quotes, too long, undecodable. It counts as one row."""

    row: int
    offset: int
    end: int
    raw: str
    problem: Problem


class Invoice(msgspec.Struct, frozen=True):
    """A valid row. Amounts carry exactly the digits of their currency (EUR 2, JPY 0, KWD 3)."""

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


class Rejected(msgspec.Struct, frozen=True):
    """A bad row with everything that is wrong with it: at least one problem."""

    row: int
    offset: int
    raw: str
    problems: tuple[Problem, ...]
