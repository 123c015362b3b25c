"""How a file is written. Found once from its beginning, then stored, shown and used to read the rest."""

from typing import Any, Literal, cast

import msgspec

from mailroom.invoices.files.rules import DateOrder, DecimalMark

Quoting = Literal["doubled", "backslash"]
Compression = Literal["none", "gzip", "xlsx"]

EXTRA = "extra:"
"""Marks a column that is kept although it is not one of COLUMNS: `extra:Cost centre`."""

ISO_DATE, DOTTED_DATE, SLASHED_DATE = "YYYY-MM-DD", "DD.MM.YYYY", "slashed"
_SLASHED_NAMES = {"dmy": "DD/MM/YYYY", "mdy": "MM/DD/YYYY", "": "slashed"}


class Dialect(msgspec.Struct, frozen=True):
    """`columns` has one entry for each column: one of COLUMNS, `""` (dropped) or `extra:Name`; `names` as written.

    `content_start` is the byte of the content where the first data row may begin, after byte order mark, `sep=`
    line and header. `decimal_mark` and `date_order` are `""` where nothing proved them: then only values that can
    be read in one way are accepted. `grouped` says that some values can be read only with `decimal_mark`.
    `sheet_mark` is the decimal mark that the numbers of a workbook are written with; in the workbook they have none.
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

    def to_document(self) -> dict[str, Any]:
        """JSON-safe; `from_document` of it is equal to this dialect."""
        return {
            "encoding": self.encoding,
            "compression": self.compression,
            "contentStart": self.content_start,
            "delimiter": self.delimiter,
            "quoting": self.quoting,
            "lineEnd": self.line_end,
            "decimalMark": self.decimal_mark,
            "grouped": self.grouped,
            "dateOrder": self.date_order,
            "dateFormats": list(self.date_formats),
            "hasHeader": self.has_header,
            "columns": list(self.columns),
            "names": list(self.names),
        } | ({"sheetMark": self.sheet_mark} if self.sheet_mark != "." else {})

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Dialect":
        """KeyError when the document was not made by `to_document`."""
        return cls(
            encoding=document["encoding"],
            compression=cast(Compression, document["compression"]),
            content_start=int(document["contentStart"]),
            delimiter=document["delimiter"],
            quoting=cast(Quoting, document["quoting"]),
            line_end=document["lineEnd"],
            decimal_mark=cast(DecimalMark, document["decimalMark"]),
            grouped=bool(document["grouped"]),
            date_order=cast(DateOrder, document["dateOrder"]),
            date_formats=tuple(document["dateFormats"]),
            has_header=bool(document["hasHeader"]),
            columns=tuple(document["columns"]),
            names=tuple(document["names"]),
            sheet_mark=cast(DecimalMark, document.get("sheetMark", ".")),
        )


def slashed_format(order: DateOrder) -> str:
    """The name of the slashed date format, as people are shown it."""
    return _SLASHED_NAMES[order]
