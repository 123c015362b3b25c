"""Reads the rows of a worksheet from its XML, and holds one row at a time.

openpyxl keeps an element of each row, reads a sheet without a `dimension` twice, and takes twice the processor time of
this reader. Its tables of texts and styles are used, and its rules for dates.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from typing import IO

import msgspec
from openpyxl.utils import column_index_from_string  # type: ignore[import-untyped]
from openpyxl.utils.datetime import from_excel, from_ISO8601  # type: ignore[import-untyped]

from mailroom.invoices.files.formats.archives import MAX_TEXT_BYTES, READ_BYTES, new_parser, too_large
from mailroom.invoices.files.values.cache import ValueCache

_MAX_ROWS = 1_048_576
"""The most that Excel has. A row names its number: without this limit, two rows could stand for a billion."""
_MAX_CELLS = 2_000
_MAX_ELEMENTS = 10_000_000
"""A row of nine cells has about 20. So this is half a million invoices, and half a minute on a slow processor."""

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ROW, _CELL, _VALUE = f"{_MAIN}row", f"{_MAIN}c", f"{_MAIN}v"
_INLINE, _TEXT, _PHONETIC, _DATA = f"{_MAIN}is", f"{_MAIN}t", f"{_MAIN}rPh", f"{_MAIN}sheetData"
_DIGITS = re.compile(r"\d+$", re.ASCII)
_LEADING_ZEROS = re.compile(r'((?:"[^"]*"|\\.|-)*)(0{2,})((?:"[^"]*"|\\.|-)*)')

SheetRow = list[str]
"""The cells of a row as CSV has them. Empty cells at its end may be missing."""


class CellFormats(msgspec.Struct, frozen=True):
    """The texts of a workbook, and its styles that show a number as a date, as a time span or by a pattern."""

    texts: list[str]
    dates: frozenset[int]
    spans: frozenset[int]
    patterns: dict[int, str]
    epoch: datetime


def patterns_of(styles: Iterable[str]) -> dict[int, str]:
    """The patterns of those number formats that show a whole number with leading zeros: `RE-{:05d}` for `"RE-"00000`.

    Other formats only round a number or give it a unit: of these the value counts.
    """
    found = ((style, _LEADING_ZEROS.fullmatch(number_format)) for style, number_format in enumerate(styles))
    return {style: f"{_literal(each[1])}{{:0{len(each[2])}d}}{_literal(each[3])}" for style, each in found if each}


def _literal(quoted: str) -> str:
    text = re.sub(r'"([^"]*)"|\\(.)', lambda each: each[1] or each[2] or "", quoted)
    return text.replace("{", "{{").replace("}", "}}")


class SheetReader:
    """Reads one sheet. Numbers have that `decimal_mark`."""

    def __init__(self, formats: CellFormats, decimal_mark: str) -> None:
        self._formats = formats
        self._mark = decimal_mark
        self._rows: list[SheetRow] = []  # those of the block that is read
        self._count = self._elements = self._held = 0
        self._number = 0  # of the current row
        self._cells: list[tuple[int, str]] = []  # with their columns
        self._column = 0
        self._kind, self._style = "n", 0  # of the current cell
        self._value: str | None = None
        self._in_text = self._in_phonetic = self._ended = False
        self._pieces: list[str] = []
        self._columns = ValueCache[int](column_index_from_string)
        self._numbers = ValueCache[str](self._number_written)
        self._times = ValueCache[str](lambda text: self._time_written(text, span=False))
        self._spans = ValueCache[str](lambda text: self._time_written(text, span=True))

    def read(self, file: IO[bytes]) -> Iterator[list[SheetRow]]:
        """The rows of each block of the file, often none. Rows that the sheet leaves out are empty.

        Raises FileRejected `file.too_large`. Raises various errors when the sheet is damaged.
        """
        parser = new_parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        given = 0
        while not self._ended:
            block = file.read(READ_BYTES)
            given += len(block)
            parser.Parse(block, not block)
            if given - parser.CurrentByteIndex > MAX_TEXT_BYTES:
                raise too_large("it has a value that is too long")
            if self._elements > _MAX_ELEMENTS:
                raise too_large(f"its sheet has more than {_MAX_ELEMENTS:,} elements")
            rows, self._rows = self._rows, []
            yield rows
            if not block:
                return

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if name == _CELL:
            place = attributes.get("r")
            self._column = self._columns[_DIGITS.sub("", place)] if place else self._column + 1
            if self._column > _MAX_CELLS or len(self._cells) >= _MAX_CELLS:
                raise too_large(f"a row has more than {_MAX_CELLS:,} cells")
            self._kind = attributes.get("t", "n")
            self._style = int(attributes.get("s") or 0)
            self._value = None
            self._pieces.clear()
        elif name == _VALUE:
            self._in_text = self._value is None and self._kind != "inlineStr"
        elif name == _TEXT:
            self._in_text = self._kind == "inlineStr" and not self._in_phonetic
        elif name == _PHONETIC:
            self._in_phonetic = True
        elif name == _ROW:
            self._number = self._row_number(attributes.get("r"))
            self._cells.clear()
            self._column = self._held = 0

    def _characters(self, text: str) -> None:
        if self._in_text:
            self._held += len(text)
            if self._held > MAX_TEXT_BYTES:
                raise too_large("its texts are too long")
            self._pieces.append(text)

    def _end(self, name: str) -> None:
        if name == _VALUE:
            if self._in_text:
                self._value = "".join(self._pieces)
            self._in_text = False
        elif name == _CELL:
            value = "".join(self._pieces) if self._kind == "inlineStr" else self._value
            self._cells.append((self._column, self._written(value) if value else ""))
            self._kind = ""
        elif name == _TEXT:
            self._in_text = False
        elif name == _PHONETIC:
            self._in_phonetic = False
        elif name == _ROW:
            self._end_row()
        elif name == _DATA:
            self._ended = True

    def _row_number(self, number: str | None) -> int:
        row = int(float(number)) if number else self._number + 1
        if row > _MAX_ROWS:
            raise too_large(f"it has a row beyond {_MAX_ROWS:,}, the last of Excel")
        return row

    def _end_row(self) -> None:
        """Keeps the row that ends. A row whose number was there before is left out, as openpyxl does it."""
        missing = self._number - self._count - 1
        if missing < 0:
            return
        self._count = self._number
        self._rows.extend([[]] * missing)
        row = [""] * (self._cells[-1][0] if self._cells else 0)
        for column, text in self._cells:
            if column <= len(row):
                row[column - 1] = text
        self._rows.append(row)

    def _written(self, value: str) -> str:
        kind = self._kind
        if kind == "n":
            if self._style in self._formats.dates:
                return (self._spans if self._style in self._formats.spans else self._times)[value]
            pattern = self._formats.patterns.get(self._style)
            return self._numbers[value] if pattern is None else self._patterned(value, pattern)
        if kind == "s":
            return self._formats.texts[int(value)]
        if kind == "b":
            return "TRUE" if int(value) else "FALSE"
        if kind == "d":
            return _day_or_time(from_ISO8601(value))
        return value

    def _number_written(self, text: str) -> str:
        number = _number(text)
        if isinstance(number, int):
            return str(number)
        digits = f"{number:.15g}"
        plain = digits if "e" not in digits else f"{float(digits):.10f}".rstrip("0").rstrip(".")
        return plain.replace(".", self._mark)

    def _patterned(self, text: str, pattern: str) -> str:
        number = _number(text)
        return pattern.format(int(number)) if number >= 0 and number == int(number) else self._numbers[text]

    def _time_written(self, text: str, *, span: bool) -> str:
        try:
            return _day_or_time(from_excel(_number(text), self._formats.epoch, timedelta=span))
        except (OverflowError, ValueError):  # Excel shows such a number as hashes
            return "#VALUE!"


def _number(text: str) -> int | float:
    return float(text) if "." in text or "e" in text or "E" in text else int(text)


def _day_or_time(value: object) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value)
