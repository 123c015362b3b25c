"""The sample of each known program is read exactly, by both paths. What its program leaves open, the user must say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mailroom.invoices.columnar import read_batches
from mailroom.invoices.columnar.batches import FEW_ROWS
from mailroom.invoices.files import FileRejected, Rejected, Rules, detect, read_records
from mailroom.invoices.files.headers.programs import programs, rules_of
from mailroom.invoices.files.rows.invoice_rows import InvoiceReader
from mailroom.invoices.model.columns import ParsedInvoice
from mailroom.invoices.model.document import content_of
from mailroom.invoices.presets.preset import Preset
from tests.unit.invoices.columnar.test_batches import STAMP

SAMPLES = Path(__file__).parents[4] / "samples" / "programs"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.csv"))


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.csv").read_bytes()


def expected(name: str) -> dict[str, Any]:
    return json.loads((SAMPLES / f"{name}.json").read_text())  # type: ignore[no-any-return]


def rules_for(name: str) -> Rules:
    """The rules of the preset that the sample needs, if any."""
    return msgspec.convert(expected(name).get("preset", {}), Preset).rules(Rules())


def read(data: bytes, rules: Rules) -> list[ParsedInvoice | Rejected]:
    dialect = detect(data, rules, complete=True)
    rules = rules_of(dialect, rules)
    records = read_records([data], dialect, rules, offset=0, row=0)
    rows = [row.result for rows in InvoiceReader(dialect, rules).read(records) for row in rows.rows]
    return [row for row in rows if isinstance(row, ParsedInvoice | Rejected)]


def shown(invoice: ParsedInvoice, like: Mapping[str, Any]) -> dict[str, Any]:
    """The invoice as a sample's result is written, with the fields that the result has."""
    lines = [
        {"number": line.number, "text": line.text, "quantity": line.quantity, "rate": line.rate}
        | ({} if line.net is None else {"net": str(line.net)})
        for line in invoice.lines
    ]
    found = {
        "invoiceNumber": invoice.invoice_number,
        "invoiceDate": invoice.invoice_date.isoformat(),
        "grossAmount": str(invoice.gross_amount),
        "netAmount": str(invoice.net_amount),
        "vatAmount": str(invoice.vat_amount),
        "supplierName": invoice.supplier_name,
        "supplierAddress": invoice.supplier_address,
        "currency": invoice.currency,
        "status": invoice.status,
        "derived": list(invoice.derived),
    }
    shown = {name: value for name, value in found.items() if name in like}
    if "lines" in like:
        wanted = [line.keys() for line in like["lines"]]
        shown["lines"] = [
            {name: line.get(name) for name in (wanted[at] if at < len(wanted) else line)}
            for at, line in enumerate(lines)
        ]
    return shown


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_read_exactly(name):
    result = expected(name)
    rows = read(sample(name), rules_for(name))
    invoices = [row for row in rows if isinstance(row, ParsedInvoice)]
    assert [shown(row, like) for row, like in zip(invoices, result["invoices"], strict=False)] == result["invoices"]
    assert len(invoices) == len(result["invoices"])
    rejected = [row for row in rows if isinstance(row, Rejected)]
    for row, (number, codes) in zip(rejected, result.get("rejected", {}).items(), strict=True):
        assert number in row.raw
        assert [error.code for error in row.errors] == codes


@pytest.mark.parametrize("name", NAMES)
def test_the_fast_path_gives_the_same(name):
    data, rules = sample(name), rules_for(name)
    dialect = detect(data, rules, complete=True)
    rules = rules_of(dialect, rules)
    data += data[dialect.content_start :] * FEW_ROWS
    assert detect(data, rules, complete=True) == dialect
    batches = read_batches(
        [data],
        dialect,
        rules_of(dialect, rules),
        offset=0,
        row=0,
        most_rows=50_000,
        most_bytes=1 << 24,
        stamp=lambda: STAMP,
    )
    rows = [row for batch in batches for row in batch.all_rows()]
    invoices = [row for row in read(data, rules) if isinstance(row, ParsedInvoice)]
    assert len(invoices) > FEW_ROWS
    assert [without_id(row.content) for row in rows] == [without_id(content_of(invoice)) for invoice in invoices]


def without_id(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != "_id"}


@pytest.mark.parametrize("name", [name for name in NAMES if "needs" in expected(name)])
def test_what_the_program_does_not_write_is_asked_for(name):
    needs = expected(name)["needs"]
    with pytest.raises(FileRejected) as refused:
        detect(sample(name), Rules(), complete=True)
    assert (refused.value.code, refused.value.column) == ("header.missing_column", needs[0])
    for column in needs:
        assert programs()[name].needs[column] in refused.value.message


def test_a_preset_goes_before_the_program_column_by_column_and_field_by_field():
    data = sample("xero")
    own = msgspec.convert({"columns": {"Reference": "status", "TaxTotal": None, "TaxAmount": "vatAmount"}}, Preset)
    dialect = detect(data, own.rules(Rules()), complete=True)
    meanings = dict(zip(dialect.names, dialect.columns, strict=True))
    assert meanings["Reference"] == "status"
    assert meanings["Status"] == "extra:Status"
    assert (meanings["TaxTotal"], meanings["TaxAmount"], meanings["ContactName"]) == ("", "vatAmount", "supplierName")
    plain = msgspec.convert({"lineItems": "reject"}, Preset).rules(Rules())
    rows = read(data, plain)
    assert [len(row.lines) for row in rows if isinstance(row, ParsedInvoice)] == [0] * 5


@pytest.mark.parametrize("name", ["xero", "shopify", "datev"])
def test_a_header_of_which_a_name_is_missing_is_no_programs(name):
    program = programs()[name]
    text = sample(name).decode("cp1252" if name == "datev" else "utf-8")
    renamed = text.replace(program.recognise[-1], "Something else", 1)
    with pytest.raises(FileRejected):
        detect(renamed.encode(), Rules(), complete=True)


def test_an_invoice_of_zoho_with_shipping_is_taken_without_its_subtotal():
    own = msgspec.convert({"columns": {"SubTotal": None}}, Preset)
    amounts = {
        row.invoice_number: (str(row.gross_amount), str(row.net_amount), str(row.vat_amount), row.derived)
        for row in read(sample("zoho-invoices"), own.rules(Rules()))
        if isinstance(row, ParsedInvoice)
    }
    assert amounts["INV-000013"] == ("640.00", "550.00", "90.00", ("netAmount",))
    assert amounts["INV-000011"] == ("769.20", "660.00", "109.20", ("netAmount",))


def test_sales_may_name_the_own_company_as_the_supplier():
    own = msgspec.convert({"columns": {"ContactName": None}, "constants": {"supplierName": "Example Ltd"}}, Preset)
    rows = read(sample("xero"), own.rules(Rules()))
    assert {row.supplier_name for row in rows if isinstance(row, ParsedInvoice)} == {"Example Ltd"}


def test_a_report_of_quickbooks_may_name_the_customer_in_full():
    data = (
        '"Example Ltd",,,,,,,\nA/R Aging Detail Report,,,,,,,\n\n'
        ",Date,Transaction type,Num,Customer full name,Due date,Amount,Open balance\n"
        "91 or more days past due,,,,,,,\n"
        ',01/23/2024,Invoice,SI-1,Birch Homes,02/22/2024,"1,200.00",800.00\n'
        ",01/24/2024,Credit Memo,SC-1,Birch Homes,01/24/2024,-60.00,-60.00\n"
        ",01/25/2024,Payment,77,Birch Homes,01/25/2024,-400.00,-400.00\n"
        "Total for 91 or more days past due,,,,,,,340.00\n"
    )
    own = msgspec.convert({"constants": {"currency": "USD", "vatRate": "0"}}, Preset)
    rows = read(data.encode(), own.rules(Rules()))
    stored = [(row.invoice_number, str(row.gross_amount)) for row in rows if isinstance(row, ParsedInvoice)]
    assert stored == [("SI-1", "1200.00"), ("SC-1", "-60.00")]
    assert [error.code for row in rows if isinstance(row, Rejected) for error in row.errors] == ["status.unknown"]
