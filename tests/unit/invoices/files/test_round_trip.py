"""Random invoices, written in random dialects, are read back exactly, or refused for ambiguity: never altered."""

import csv
import gzip
import io
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mailroom.invoices.files import FileRejected, Rejected, RowParser, Rules, content, detect, read_records
from mailroom.invoices.model.columns import COLUMNS, ParsedInvoice

GERMAN = dict(
    zip(
        COLUMNS,
        ("Rechnungs-Nr.", "Datum", "Brutto", "Netto", "MwSt.", "Lieferant", "Anschrift", "Währung", "Status"),
        strict=True,
    )
)
DIGITS = {"EUR": 2, "JPY": 0, "KWD": 3}
ORDERS = {"%d/%m/%Y": "dmy", "%m/%d/%Y": "mdy", "%d-%m-%Y": "dmy", "%m-%d-%Y": "mdy"}
ALPHABET = "abcXYZ019 äöüß€,;|\"'.-/&()"

texts = st.text(ALPHABET, max_size=20).map(str.strip)


@st.composite
def invoices(draw: st.DrawFn) -> ParsedInvoice:
    currency = draw(st.sampled_from(sorted(DIGITS)))
    unit = Decimal(1).scaleb(-DIGITS[currency])
    net, vat = (draw(st.integers(-(10**9), 10**9)) * unit for _ in range(2))
    return ParsedInvoice(
        invoice_number="N" + draw(texts),
        invoice_date=draw(st.dates(date(1900, 1, 1), date(2200, 12, 31))),
        gross_amount=net + vat,
        net_amount=net,
        vat_amount=vat,
        supplier_name="S" + draw(texts),
        supplier_address=draw(st.sampled_from(["", "Weg 1\n1234 Ort"])) or draw(texts),
        currency=currency,
        status=draw(st.sampled_from(["", "open", "bezahlt"])),
        extra={},
    )


@dataclass(frozen=True)
class Written:
    """The form of a test file."""

    delimiter: str
    backslash: bool
    line_end: str
    encoding: str
    packed: bool
    mark: str
    grouping: str
    minus: str
    date_format: str
    order: tuple[str, ...] | None  # None: no header
    sep: bool

    def amount(self, value: Decimal) -> str:
        text = f"{abs(value):,f}".replace(".", "M").replace(",", self.grouping).replace("M", self.mark)
        return self.minus.format(text) if value < 0 else text

    def row(self, invoice: ParsedInvoice) -> list[str]:
        values = dict(
            zip(
                COLUMNS,
                (
                    invoice.invoice_number,
                    invoice.invoice_date.strftime(self.date_format),
                    self.amount(invoice.gross_amount),
                    self.amount(invoice.net_amount),
                    self.amount(invoice.vat_amount),
                    invoice.supplier_name,
                    invoice.supplier_address,
                    invoice.currency,
                    invoice.status,
                ),
                strict=True,
            )
        )
        return [values[column] for column in self.order or COLUMNS]

    def file(self, rows: list[ParsedInvoice]) -> bytes:
        target = io.StringIO(newline="")
        # csv.writer quotes a line break only if its own line end has it.
        broken = any("\n" in invoice.supplier_address for invoice in rows)
        escape = {"doublequote": False, "escapechar": "\\"} if self.backslash else {}
        quoting = csv.QUOTE_ALL if broken else csv.QUOTE_MINIMAL
        writer = csv.writer(target, delimiter=self.delimiter, lineterminator=self.line_end, quoting=quoting, **escape)
        if self.sep:
            target.write(f"sep={self.delimiter}{self.line_end}")
        if self.order:
            writer.writerow([GERMAN[column] for column in self.order])
        writer.writerows(map(self.row, rows))
        data = target.getvalue().encode(self.encoding)
        return gzip.compress(data) if self.packed else data


@st.composite
def ways(draw: st.DrawFn) -> Written:
    mark = draw(st.sampled_from(".,"))
    return Written(
        delimiter=draw(st.sampled_from(",;\t|")),
        backslash=draw(st.booleans()),
        line_end=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        encoding=draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])),
        packed=draw(st.booleans()),
        mark=mark,
        grouping=draw(st.sampled_from(["", " ", "\u00a0", "'", "," if mark == "." else "."])),
        minus=draw(st.sampled_from(["-{}", "({})", "{}-"])),
        date_format=draw(st.sampled_from([*ORDERS, "%Y-%m-%d", "%d.%m.%Y", "%d-%b-%Y", "%Y%m%d", "%B %d, %Y"])),
        order=draw(st.none() | st.permutations(COLUMNS).map(tuple)),
        sep=draw(st.booleans()),
    )


def read(data: bytes, rules: Rules) -> list[ParsedInvoice | Rejected]:
    dialect = detect(data, rules, complete=True)
    parser = RowParser(dialect, rules)
    return [parser.parse(row) for row in read_records(content([data], dialect), dialect, rules, offset=0, row=0)]


@given(st.lists(invoices(), min_size=1, max_size=8), ways())
@settings(max_examples=400, deadline=None)
def test_with_the_settings_that_resolve_ambiguity_every_invoice_is_read_exactly(written, way):
    order = ORDERS.get(way.date_format, "")
    rules = Rules(date_order=order, decimal_mark=way.mark, encoding="cp1252" if way.encoding == "cp1252" else "")
    assert read(way.file(written), rules) == written


@given(st.lists(invoices(), min_size=1, max_size=8), ways())
@settings(max_examples=300, deadline=None)
def test_without_settings_an_invoice_is_read_exactly_or_refused(written, way):
    data = way.file(written)
    assume(way.encoding != "cp1252" or not _is_utf8_by_chance(data, way))
    try:
        results = read(data, Rules())
    except FileRejected:
        return
    assert len(results) == len(written)
    for invoice, result in zip(written, results, strict=True):
        assert isinstance(result, Rejected) or result == invoice


def _is_utf8_by_chance(data: bytes, way: Written) -> bool:
    """Whether a line looks like UTF-8, though the file is cp1252: `ß€` is the same two bytes as one letter of N'Ko.

    Then the others are taken for damaged lines of a file in UTF-8.
    """
    text = gzip.decompress(data) if way.packed else data
    return any(_is_utf8(line) for line in text.splitlines() if not line.isascii())


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
