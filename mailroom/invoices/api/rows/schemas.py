"""The rows of files as the API shows them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mailroom.invoices.api.schemas import Import, ObjectName
from mailroom.web.schemas import Cursor, Id, Schema, Time

MOST_CORRECTED_ROWS = 1_000


class RowColumn(Schema):
    """A column of a file. `key` names it in `cells` and in corrections, and no other column has it.

    `name` is as the header has it. `target` is our column, or null for one that is kept as it is or dropped.
    """

    key: str
    name: str
    target: str | None


class RowFault(Schema):
    """A reason against a row. `column` is one of ours, or null if the row as a whole is at fault."""

    column: str | None
    code: str
    message: str


class RejectedRow(Schema):
    """A row that was rejected. `cells` is null if it cannot be split, or if a cell may be in another column.

    `invoiceRow` is the row that the invoice begins with, which has the errors: an invoice may have several rows.
    """

    row: int
    invoice_row: int
    text: str
    cells: dict[str, str] | None
    errors: list[RowFault]


class RejectedRowPage(Schema):
    """`rejected` rows of the import are bad. Of these `omitted` are not kept: too many, or too long ago."""

    columns: list[RowColumn]
    items: list[RejectedRow]
    next_cursor: Cursor | None
    rejected: int
    omitted: int


class CorrectedRow(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """A rejected row as it should be. Cells that `values` leaves out stay as they are. `drop` leaves the row out.

    A row whose `cells` are null needs a value for each column.
    """

    row: Annotated[int, Meta(ge=1)]
    values: dict[str, Annotated[Any, Meta(extra_json_schema={"type": "string"})]] = {}
    drop: bool = False


class NewCorrections(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """The body of `POST /imports/{id}/corrections`.

    With `overNewer`, a corrected row may replace an invoice that has changed since the first file was uploaded.
    """

    rows: Annotated[list[CorrectedRow], Meta(min_length=1, max_length=MOST_CORRECTED_ROWS)]
    over_newer: bool = False


class WrittenFile(ObjectName):
    """The version of an object that was written, and the import that reads it."""

    version_id: str
    import_id: Id


class CorrectionsFile(WrittenFile):
    """`rows` is the number of rows in the file: also those that have to be read together with the corrected ones."""

    rows: int


class InvoiceSource(WrittenFile):
    """The row of a file that an invoice came from. `text` is all of it: an invoice may have several rows.

    `cells` are those of its first row.
    """

    row: int
    text: str
    columns: list[RowColumn]
    cells: dict[str, str] | None


class FileVersion(Schema):
    """A version of a file. `present`: its bytes are still in the bucket. `imports` are newest first."""

    version_id: str
    modified_at: Time
    size: int
    present: bool
    imports: list[Import]


class FileVersions(ObjectName):
    """The versions of a file, newest first; of many, the newest."""

    items: list[FileVersion]
