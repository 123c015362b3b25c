"""Checks whole columns and turns them into pieces of documents. `None` stands for a value that needs a closer look.

What is accepted here is a part of what `RowParser` accepts, with the same result; the rest is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, TypeVar

from mailroom.invoices.fast import documents
from mailroom.invoices.fast.documents import Day, Pieces, Supplier, Word
from mailroom.invoices.parsing import COLUMNS, Dialect, Rules
from mailroom.invoices.parsing.amounts import Fault
from mailroom.invoices.parsing.currencies import decimals
from mailroom.invoices.parsing.dates import read_date
from mailroom.invoices.parsing.dialect import EXTRA
from mailroom.invoices.parsing.rows import LIMITS
from mailroom.invoices.parsing.texts import read_text

DIGITS = 2
"""The decimals that nearly all currencies have. Rows in others take the row-wise path."""

_CACHED = 4096
_LONGEST_CACHED = 1000

V = TypeVar("V")


class Remembered(dict[str, V | None]):
    """Values that repeat, made once each. Bounded, so that a file without repetitions costs no memory."""

    def __init__(self, make: Callable[[str], V | None]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: str) -> V | None:
        value = self._make(key)
        if len(self) >= _CACHED:
            self.clear()
        if len(key) <= _LONGEST_CACHED:
            self[key] = value
        return value


class Columns:
    """The columns of one file, by the same grammars as the row-wise path."""

    def __init__(self, dialect: Dialect, rules: Rules) -> None:
        at = {column: index for index, column in enumerate(dialect.columns) if column}
        self._at = [at.get(column, -1) for column in COLUMNS]
        self._width = len(dialect.columns)
        self._order = dialect.date_order
        self._statuses = {status.casefold(): status for status in rules.statuses}
        self._tolerance = int(rules.amount_tolerance * 10**DIGITS)
        self._mark = dialect.decimal_mark or "."
        amount = rf"-?[0-9]{{1,15}}{re.escape(self._mark)}[0-9]{{{DIGITS}}}"
        self._amount, self._amounts = re.compile(amount), re.compile(rf"(?:{amount}\n)*")
        self._days = Remembered(self._day)
        self._suppliers = Remembered(_supplier)
        self._addresses = Remembered(_address)
        self._states = Remembered(self._status)
        self._currencies = Remembered(_currency)

    def pieces(
        self, rows: Sequence[list[str]], offsets: Sequence[int], numbers: Sequence[int]
    ) -> tuple[list[Pieces], list[int]]:
        """The pieces of the plain rows, and the indexes of the others."""
        whole = [index for index, fields in enumerate(rows) if len(fields) == self._width]
        if len(whole) < len(rows):
            others = sorted(set(range(len(rows))).difference(whole))
            rows, offsets, numbers = ([of[index] for index in whole] for of in (rows, offsets, numbers))  # type: ignore[assignment]
        else:
            others = []
        number, day, gross, net, vat, supplier, address, currency, status = self._texts(rows)
        found: list[Any] = list(
            zip(
                self._numbers(number),
                [self._days[text] for text in day],
                self._cents(gross),
                self._cents(net),
                self._cents(vat),
                [self._suppliers[text] for text in supplier],
                [self._addresses[text] for text in address],
                [self._currencies[text] for text in currency],
                [self._states[text] for text in status],
                offsets,
                numbers,
                strict=True,
            )
        )
        most = self._tolerance
        plain = [each for each in found if None not in each and -most <= each[2] - each[3] - each[4] <= most]
        if len(plain) < len(found):
            kept = {each[9] for each in plain}
            others = sorted([*others, *(at for at, each in zip(whole, found, strict=True) if each[9] not in kept)])
        return plain, others

    def _texts(self, rows: Sequence[list[str]]) -> list[Sequence[str]]:
        """The columns in the order of COLUMNS; one that the file lacks is empty."""
        columns = list(zip(*rows, strict=True)) or [()] * self._width
        return [columns[at] if at >= 0 else [""] * len(rows) for at in self._at]

    def _numbers(self, texts: Sequence[str]) -> list[bytes | None]:
        joined = "".join(texts)
        longest = LIMITS["invoiceNumber"]
        if joined.isascii() and joined.isprintable() and " " not in joined:
            return [text.encode() if 0 < len(text) <= longest else None for text in texts]
        plain = [text.isascii() and text.isprintable() and text == text.strip() for text in texts]
        return [
            text.encode() if is_plain and 0 < len(text) <= longest else None
            for text, is_plain in zip(texts, plain, strict=True)
        ]

    def _cents(self, texts: Sequence[str]) -> list[int] | list[int | None]:
        joined = "\n".join(texts) + "\n"
        if self._amounts.fullmatch(joined):
            return list(map(int, joined.replace(self._mark, "").split()))
        return [int(text.replace(self._mark, "")) if self._amount.fullmatch(text) else None for text in texts]

    def _day(self, text: str) -> Day | None:
        value = read_date(text, self._order)
        return documents.day(value) if isinstance(value, date) else None

    def _status(self, text: str) -> Word | None:
        value = read_text(text, LIMITS["status"], required=False, multiline=False)
        if isinstance(value, Fault) or (value and self._statuses and value.casefold() not in self._statuses):
            return None
        return documents.status(self._statuses.get(value.casefold(), value))


def handles(dialect: Dialect) -> bool:
    """Whether blocks of such a file can be fast: no columns of the user's own, and an encoding in which a line end is
    one byte.
    """
    unnamed = any(not column and not name.strip() for column, name in zip(dialect.columns, dialect.names, strict=True))
    extra = any(column.startswith(EXTRA) for column in dialect.columns)
    return not (unnamed or extra or dialect.encoding.startswith("utf-16"))


def _supplier(text: str) -> Supplier | None:
    value = read_text(text, LIMITS["supplierName"], required=True, multiline=False)
    return None if isinstance(value, Fault) else documents.supplier(value)


def _address(text: str) -> bytes | None:
    value = read_text(text, LIMITS["supplierAddress"], required=False, multiline=True)
    return None if isinstance(value, Fault) else documents.text("supplierAddress", value)


def _currency(text: str) -> Word | None:
    code = text.strip().upper()
    return documents.currency(code) if decimals().get(code) == DIGITS else None
