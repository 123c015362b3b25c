"""What goes into the process that reads a file for a preview, and what comes out."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from mailroom.invoices.files import Rules

SAMPLE_BYTES = 1 << 20
"""How much of an object is read. A workbook is read whole, and this much of its content."""
SHOWN_ROWS = 20

Reason = Literal["preset", "name", "order", "similar", "values", "none"]


class PreviewTask(msgspec.Struct, frozen=True, rename="camel"):
    """`size` is that of the object. Its beginning follows; if that is all of it, it is `complete`."""

    rules: Rules
    size: int
    complete: bool


class PreviewFault(msgspec.Struct, frozen=True):
    """Why a file or a row is refused. `column` is the one at fault, if one is."""

    code: str
    message: str
    column: str | None = None


class PreviewedHeader(msgspec.Struct, frozen=True):
    """The row with the names. `line` is its number in the file, from 1."""

    line: int
    names: list[str]


class PreviewedLine(msgspec.Struct, frozen=True):
    """A row that is added up with others."""

    number: str
    text: str
    quantity: str
    net: str | None
    rate: str


class PreviewedInvoice(msgspec.Struct, frozen=True, rename="camel"):
    """An invoice as it would be stored."""

    invoice_number: str
    invoice_date: str
    gross_amount: str
    net_amount: str
    vat_amount: str
    supplier_name: str
    supplier_address: str
    currency: str
    status: str
    extra: dict[str, str]
    derived: list[str]
    lines: list[PreviewedLine]


class PreviewedRow(msgspec.Struct, frozen=True, rename="camel"):
    """A row of data, counted from 1, with those that are added up to it: the invoice, or why there is none.

    Totals and headings are `set_apart`: they are neither imported nor rejected.
    """

    row: int
    invoice: PreviewedInvoice | None
    errors: list[PreviewFault]
    set_apart: bool = False


class ColumnMapping(msgspec.Struct, frozen=True):
    """What a column of the file is, or may be.

    `target` is one of our columns; null: none was found, or the preset drops the column. `confidence` is 1 where an
    import reads it so. `reason`: the `preset`, a setting or what is known of the program says so, the `name` is
    known, the file has no header and the `order` counts, the name is `similar` to a known one, its `values` look
    so, or there is `none`.
    """

    name: str
    target: str | None
    confidence: float
    reason: Reason


class MissingColumn(msgspec.Struct, frozen=True):
    """One of our columns that an import needs and nothing gives. `advice` is for people."""

    column: str
    advice: str


class EstimatedCounts(msgspec.Struct, frozen=True):
    """How many rows the file has, and how many would be rejected, as its beginning is. Null: unknown."""

    rows: int | None = None
    rejected: int | None = None


class Examination(msgspec.Struct, frozen=True):
    """What was found. With an `error` the file as a whole is refused, and no row would be stored."""

    error: PreviewFault | None = None
    dialect: dict[str, Any] | None = None
    header: PreviewedHeader | None = None
    rows: list[PreviewedRow] = []
    mapping: list[ColumnMapping] = []
    missing: list[MissingColumn] = []
    estimated: EstimatedCounts = EstimatedCounts()
