"""Invoices written in random layouts: whatever is stored equals what was written, else nothing is.

A layout is what programs make of invoices: a preamble, a language, amounts that are left out, totals at the end, lines
of an invoice as rows of their own. The rules are those that a preset gives, or none.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from mailroom.invoices.columnar import read_batches
from mailroom.invoices.columnar.compared import differing_in
from mailroom.invoices.files import HEAD_BYTES, FileRejected, Rules, detect
from mailroom.invoices.files.headers.header_names import HEADER_NAMES
from mailroom.platform.mongo import Document
from tests.unit.invoices.columnar.test_batches import STAMP

DIGITS = {"EUR": 2, "GBP": 2, "JPY": 0, "KWD": 3}
SYMBOLS = {"EUR": "€", "GBP": "£"}
GERMAN_MONTHS = (
    "Januar", "Februar", "März", "April", "Mai", "Juni",
    "Juli", "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip
DATES = {
    "iso": lambda day: day.isoformat(),
    "dots": lambda day: f"{day:%d.%m.%Y}",
    "slashes dmy": lambda day: f"{day:%d/%m/%Y}",
    "slashes mdy": lambda day: f"{day:%m/%d/%Y}",
    "dashes dmy": lambda day: f"{day:%d-%m-%Y}",
    "two digits": lambda day: f"{day:%d.%m.%y}",
    "slashed two digits": lambda day: f"{day:%d/%m/%y}",
    "compact": lambda day: f"{day:%Y%m%d}",
    "English month": lambda day: f"{day:%d-%b-%Y}",
    "German month": lambda day: f"{day.day}. {GERMAN_MONTHS[day.month - 1]} {day.year}",
    "with time": lambda day: f"{day.isoformat()} 10:15:00",
}
AMOUNT_SETS = (
    ("grossAmount", "netAmount", "vatAmount"),
    ("grossAmount", "netAmount"),
    ("grossAmount", "vatAmount"),
    ("netAmount", "vatAmount"),
    ("netAmount", "vatRate"),
    ("grossAmount",),
)
PREAMBLES = ("Ledger of 2024", "Acme Holding Ltd", "", "Printed on 2024-05-01", "Report;Invoices", "Currency;all")
TOTALS = ("Total", "Summe", "Totale", "Grand total", "Subtotal")


@dataclass(frozen=True)
class Line:
    text: str
    net: Decimal
    rate: int

    @property
    def vat(self) -> Decimal:
        return (self.net * self.rate / 100).quantize(self.net, ROUND_HALF_UP)


@dataclass(frozen=True)
class Written:
    """An invoice as its program knows it."""

    number: str
    day: date
    supplier: str
    address: str
    currency: str
    status: str
    lines: tuple[Line, ...]

    @property
    def amounts(self) -> dict[str, Decimal]:
        net, vat = sum(line.net for line in self.lines), sum(line.vat for line in self.lines)
        return {"grossAmount": net + vat, "netAmount": net, "vatAmount": vat}


@dataclass(frozen=True)
class Layout:
    """How a program writes its invoices."""

    language: str
    columns: tuple[str, ...]
    currency: str
    date: str
    delimiter: str
    mark: str
    grouping: str
    encoding: str
    preamble: tuple[str, ...]
    total: str
    row_per_line: bool
    trailing: bool
    added_up: bool
    resolved: bool

    def rules(self) -> Rules:
        """What the folder's preset says."""
        constants = {"currency": "EUR"} if self.currency == "constant" else {}
        return Rules(
            constants=constants,
            line_items="addUp" if self.added_up else "reject",
            date_order=("mdy" if self.date.endswith("mdy") else "dmy") if self.resolved else "",
            decimal_mark=self.mark if self.resolved else "",
            encoding="cp1252" if self.resolved and self.encoding == "cp1252" else "",
        )

    def name(self, column: str) -> str:
        if column == "lineText":
            return "Item"
        name = re.split("[,;]", HEADER_NAMES[self.language][column])[0].strip()
        return f"{name} (EUR)" if self.currency == "in the header" and column.endswith("Amount") else name

    def file(self, invoices: Iterable[Written]) -> bytes:
        target = io.StringIO(newline="")
        writer = csv.writer(target, delimiter=self.delimiter, lineterminator="\r\n")
        for line in self.preamble:
            writer.writerow(line.split(";") if line else [])
        writer.writerow([self.name(column) for column in self.columns])
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for invoice in invoices:
            for part in self.parts(invoice):
                writer.writerow([self.cell(part, column) for column in self.columns] + [""] * self.trailing)
                for column in self.columns:
                    sums[column] += part.amounts.get(column, 0)
        if self.total:
            cells = [self.amount(sums[column]) if column.endswith("Amount") else "" for column in self.columns]
            # In the text of a line it could be the name of an item.
            first = next(
                at for at, column in enumerate(self.columns) if column != "lineText" and not column.endswith("Amount")
            )
            cells[first] = self.total
            writer.writerow(cells)
        return target.getvalue().encode(self.encoding, "replace")

    def parts(self, invoice: Written) -> list[Written]:
        """What has a row of its own."""
        if not self.row_per_line:
            return [invoice]
        return [replace(invoice, lines=(line,)) for line in invoice.lines]

    def cell(self, part: Written, column: str) -> str:
        if column in part.amounts:
            return self.amount(part.amounts[column])
        symbol = SYMBOLS.get(part.currency, part.currency)
        return {
            "invoiceNumber": part.number,
            "invoiceDate": DATES[self.date](part.day),
            "supplierName": part.supplier,
            "supplierAddress": part.address,
            "currency": symbol if self.currency == "symbols" else part.currency,
            "status": part.status,
            "vatRate": f"{part.lines[0].rate}%",
            "lineText": part.lines[0].text,
        }[column]

    def amount(self, value: Decimal) -> str:
        return f"{value:,f}".replace(".", "M").replace(",", self.grouping).replace("M", self.mark)


@st.composite
def layouts(draw: st.DrawFn, *, clear: bool) -> Layout:
    """Any layout, or one that leaves no question open to somebody who knows its rules."""
    amounts = draw(st.sampled_from(AMOUNT_SETS[:-1] if clear else AMOUNT_SETS))
    currency = draw(st.sampled_from(["codes", "symbols", "constant", "in the header"]))
    row_per_line = draw(st.booleans())
    columns = ["invoiceNumber", "invoiceDate", "supplierName", *amounts]
    columns += ["currency"] if currency in ("codes", "symbols") else []
    columns += ["lineText"] if row_per_line else []
    columns += draw(st.lists(st.sampled_from(["supplierAddress", "status"]), unique=True))
    mark = draw(st.sampled_from(".,"))
    return Layout(
        language=draw(st.sampled_from(sorted(HEADER_NAMES))),
        columns=tuple(draw(st.permutations(columns))),
        currency=currency,
        date=draw(st.sampled_from(sorted(DATES))),
        delimiter=draw(st.sampled_from(",;\t|")),
        mark=mark,
        grouping=draw(st.sampled_from(["", " ", "." if mark == "," else ","])),
        encoding=draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])),
        preamble=tuple(draw(st.lists(st.sampled_from(PREAMBLES), max_size=4))),
        total=draw(st.sampled_from(["", *TOTALS])),
        row_per_line=row_per_line,
        trailing=not clear and draw(st.booleans()),
        added_up=row_per_line and (clear or draw(st.booleans())),
        resolved=clear or draw(st.booleans()),
    )


@st.composite
def cases(draw: st.DrawFn, *, clear: bool = False) -> tuple[Layout, list[Written]]:
    layout = draw(layouts(clear=clear))
    one_currency = "EUR" if layout.currency in ("constant", "in the header") else None
    letters = st.text("abcXYZ äöüßéñ&.-'", min_size=1, max_size=12).map(str.strip)
    found: dict[str, Written] = {}
    for index in range(draw(st.integers(1, 6))):
        currency = one_currency or draw(st.sampled_from(sorted(DIGITS)))
        unit = Decimal(1).scaleb(-DIGITS[currency])
        # Lines of one invoice differ: two rows that are equal say the same thing twice.
        nets = draw(st.lists(st.integers(1, 10**7), min_size=1, max_size=3 if layout.row_per_line else 1, unique=True))
        number = f"R-{index}{draw(letters)}"
        found[number] = Written(
            number,
            draw(st.dates(date(2001, 1, 1), date(2030, 12, 31))),
            "S" + draw(letters),
            draw(letters),
            currency,
            draw(st.sampled_from(["open", "bezahlt"])),
            tuple(Line(f"Item {at}", net * unit, draw(st.sampled_from([0, 7, 19]))) for at, net in enumerate(nets)),
        )
    return layout, list(found.values())


def stored(data: bytes, rules: Rules) -> dict[str, Document]:
    """What an import stores, by invoice number."""
    dialect = detect(data[:HEAD_BYTES], rules, complete=True)
    batches = read_batches(
        [data],
        dialect,
        rules,
        offset=0,
        row=0,
        most_rows=100,
        most_bytes=1 << 20,
        stamp=lambda: STAMP,
        refuse=partial(differing_in, add_up=rules.line_items == "addUp"),
    )
    return {row.content["invoiceNumber"]: row.content for batch in batches for row in batch.all_rows()}


@given(cases(clear=True))
@settings(max_examples=300, deadline=None)
def test_a_layout_without_open_questions_is_stored_whole(case: tuple[Layout, list[Written]]):
    layout, written = case
    found = stored(layout.file(written), layout.rules())
    assert sorted(found) == sorted(invoice.number for invoice in written)


@given(cases())
@settings(max_examples=400, deadline=None)
def test_what_is_stored_equals_what_was_written(case: tuple[Layout, list[Written]]):
    layout, written = case
    data = layout.file(written)
    try:
        found = stored(data, layout.rules())
    except FileRejected:
        return
    by_number = {invoice.number: invoice for invoice in written}
    for number, document in found.items():
        invoice = by_number[number]
        assert document["invoiceDate"].date() == invoice.day
        assert {name: document[name].to_decimal() for name in invoice.amounts} == invoice.amounts
        assert (document["supplierName"], document["currency"]) == (invoice.supplier, invoice.currency)
        assert document["supplierAddress"] == (invoice.address if "supplierAddress" in layout.columns else "")
        assert document["status"] == (invoice.status if "status" in layout.columns else "")
