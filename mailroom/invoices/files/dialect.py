"""How a file is written. Found once from its beginning, then stored, shown and used to read the rest."""

from collections.abc import Mapping
from datetime import date
from typing import Literal

import msgspec

from mailroom.invoices.files.rules import YEAR_PIVOT, DateOrder, DecimalMark
from mailroom.invoices.model.columns import VAT_RATE

Quoting = Literal["doubled", "backslash", "backslashQuotes"]
"""How a quote is written inside quotes: doubled; or after a backslash, which escapes itself too; or which does not."""

Compression = Literal["none", "gzip", "xlsx"]

EXTRA = "extra:"
"""Marks a column that is kept although it is not one of COLUMNS: `extra:Cost centre`."""


class PresetVersion(msgspec.Struct, frozen=True, order=True):
    """A preset as it was: no version changes."""

    name: str
    version: int


class Dialect(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`columns` has one entry for each column: one of COLUMNS, `""` (dropped) or `extra:Name`; `names` as written.

    `content_start` is the byte of the content where the first data row may begin, after byte order mark, `sep=`
    line and header. `decimal_mark` and `date_order` are `""` where nothing proved them: then only values that can
    be read in one way are accepted. `grouped` says that some values can be read only with `decimal_mark`.
    `sheet_mark` is the decimal mark that the numbers of a workbook are written with; in the workbook they have none.
    `guarded` says that an apostrophe stands before what a spreadsheet would run: see `guard.py`. `sheet` is the name or
    number of the sheet that is read, empty for the first visible one. Each row ends with `trailing` empty fields more
    than there are columns; rows may have `short_rows` fields: see `rows/form.py`. `preset` is the one that the
    file is read with, and `program` the known program that wrote it: see `headers/programs.py`.
    `constants` are the texts of cells that are empty or whose column the file lacks. `header_currency` is the one that
    the names of the amounts have: `Gross (EUR)`. `minor_units`: amounts are in cents. Two-digit years from `year_pivot`
    on are of the 20th century, and dates without a year are of the twelve months from `first_day` on.
    """

    encoding: str
    compression: Compression
    content_start: int
    delimiter: str
    quoting: Quoting
    line_end: str
    decimal_mark: DecimalMark
    grouped: bool
    date_order: DateOrder
    date_formats: tuple[str, ...]
    has_header: bool
    columns: tuple[str, ...]
    names: tuple[str, ...]
    sheet_mark: DecimalMark = "."
    guarded: bool = False
    preset: PresetVersion | None = None
    sheet: str = ""
    trailing: int = 0
    short_rows: tuple[int, ...] = ()
    program: str = ""
    constants: Mapping[str, str] = msgspec.field(default_factory=dict)
    header_currency: str = ""
    minor_units: bool = False
    year_pivot: int = YEAR_PIVOT
    first_day: date | None = None

    @property
    def extra_columns(self) -> list[tuple[int, str, str]]:
        """The index, the column and the name of each column that invoices keep as it is: a rate is one of them."""
        kept = set(self.columns)
        return [
            (index, column, column.removeprefix(EXTRA) if column != VAT_RATE else self.names[index])
            for index, column in enumerate(self.columns)
            if column.startswith(EXTRA) or (column == VAT_RATE and EXTRA + self.names[index] not in kept)
        ]
