"""Rows of a report that are no invoices: totals, rules, and headings such as a customer's name above its invoices.

They are counted, and neither imported nor rejected. Only a row that is no valid invoice can be one of them:

- A total has no date, no invoice number, and as its only text a word for a total, alone or with a name: `Total`,
  `Total for ACME`, `ACME Total`; or asterisks, as SAP writes them. Besides it there are only amounts and a currency.
- A rule has nothing but dashes and the like.
- A heading is a single text and nothing else. A text that may be a row itself (with another delimiter, or all of it in
  quotes, so that there is an amount or a date in it) is none, nor is what may be an invoice number.
"""

from __future__ import annotations

import re

import msgspec

from mailroom.invoices.files.dialect import Dialect
from mailroom.invoices.files.formats.records import Record
from mailroom.invoices.files.headers.normalised_names import normalised
from mailroom.invoices.files.rules import Rules
from mailroom.invoices.files.values.amounts import is_amount
from mailroom.invoices.files.values.currencies import read_currency
from mailroom.invoices.files.values.dates import date_format
from mailroom.invoices.model.columns import LINE_COLUMNS

_TOTALS = frozenset(
    normalised(word)
    for word in (
        # English, German, French
        "Total", "Totals", "Subtotal", "Sub total", "Grand total", "Overall total", "Sum",
        "Summe", "Summen", "Gesamt", "Gesamtsumme", "Zwischensumme", "Endsumme", "Insgesamt", "Ergebnis",
        "Gesamtergebnis", "Teilergebnis", "Sous-total", "Total général", "Totaux",
        # Spanish, Italian, Portuguese
        "Total general", "Totales", "Suma", "Totale", "Totali", "Subtotale", "Totale generale", "Somma",
        "Total geral", "Totais", "Soma",
        # Dutch, Polish, Swedish
        "Totaal", "Totalen", "Subtotaal", "Eindtotaal", "Razem", "Ogółem", "Łącznie", "Podsuma",
        "Totalt", "Summa", "Delsumma", "Slutsumma",
    )
)  # fmt: skip
_OF = frozenset(
    {"for", "fur", "von", "pour", "de", "du", "para", "del", "per", "di", "do", "da", "voor", "van", "dla", "av"}
)
"""The words between a total and a name: `Total for ACME`."""

_OF_INVOICES = ("invoiceNumber", "invoiceDate")
_LONGEST = 200
"""Characters of a heading."""
_OTHER_DELIMITERS = ";\t|\r\n"
_MOST_COMMAS = 2
_WORD = re.compile(r"[^\W\d_]{2,}")
_RULE = re.compile(r"[-=_*+~]{3,}")
_ASTERISKS = re.compile(r"\*{1,9}")


class SetApart(msgspec.Struct, frozen=True):
    """A row that is neither imported nor rejected."""

    row: int
    offset: int


class ReportRows:
    """Knows the totals and headings of one file."""

    def __init__(self, dialect: Dialect, rules: Rules) -> None:
        self._columns = dialect.columns
        self._has_lines = rules.has_lines

    def matches(self, record: Record) -> bool:
        """Whether a record, which is no valid invoice, is a total, a rule or a heading."""
        filled = [index for index, field in enumerate(record.fields) if field.strip()]
        if filled and all(_RULE.fullmatch(record.fields[index].strip()) for index in filled):
            return True
        texts = [index for index in filled if not self._is_amount_or_currency(record.fields[index].strip())]
        if len(texts) != 1:
            return False
        text, column = record.fields[texts[0]].strip(), self._column(texts[0])
        if self._has_lines and column in LINE_COLUMNS:
            return False
        if self._is_total(text, column):
            return not any(self._column(index) in _OF_INVOICES for index in filled if index != texts[0])
        return len(filled) == 1 and self._is_heading(text, texts[0], len(record.fields))

    def _column(self, index: int) -> str:
        return self._columns[index] if index < len(self._columns) else ""

    def _is_total(self, text: str, column: str) -> bool:
        if _ASTERISKS.fullmatch(text):
            return True
        words = [word for word in map(normalised, re.split(r"[\s:]+", text[:_LONGEST])) if word]
        if "".join(words) in _TOTALS:
            return True
        begins = next((size for size in (2, 1) if "".join(words[:size]) in _TOTALS), 0)
        if begins and words[begins] in _OF:
            return True
        # "Total Energies" is a supplier.
        return column != "supplierName" and bool(begins or "".join(words[-1:]) in _TOTALS)

    def _is_amount_or_currency(self, text: str) -> bool:
        return is_amount(text) or isinstance(read_currency(text), tuple)

    def _is_heading(self, text: str, index: int, count: int) -> bool:
        if self._has_lines and index > 0:
            return False
        if len(text) > _LONGEST or is_amount(text) or date_format(text) or not any(map(str.isalpha, text)):
            return False
        if any(mark in text for mark in _OTHER_DELIMITERS) or text.count(",") > _MOST_COMMAS:
            return False
        if any(_is_number(part) or date_format(part) for part in text.split(",")):
            return False
        may_be_number = self._column(index) == "invoiceNumber" and any(map(str.isdigit, text))
        return not may_be_number or len(_WORD.findall(text)) > 1


def _is_number(text: str) -> bool:
    """Whether it is an amount without a unit: `Jun 01` is none."""
    return is_amount(text.strip()) and not any(map(str.isalpha, text))
