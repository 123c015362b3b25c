"""Rows of any file, written as corrections, are read as in the file itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bson import ObjectId

from mailroom.errors import Conflict
from mailroom.invoices.files import Dialect, Rejected, Rules, read_records
from mailroom.invoices.files.headers.programs import rules_of
from mailroom.invoices.files.opening import open_file
from mailroom.invoices.files.rows.invoice_rows import InvoiceReader
from mailroom.invoices.model.columns import ParsedInvoice
from mailroom.invoices.presets.preset import Preset
from mailroom.invoices.presets.selection import Selected
from mailroom.invoices.rejected.cells import rows_of
from mailroom.invoices.rejected.corrected_rows import CorrectedRows, Correction
from mailroom.invoices.rejected.corrections_file import content_of_file, name_of, read_back

TESTS = Path(__file__).parents[3]
PROGRAMS = sorted((TESTS / "samples" / "programs").glob("*.csv"))
SAMPLES = sorted((TESTS.parent / "samples").glob("*.csv"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Chosen:
    """A selection that gives these rules to every file."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def select(self, key: str, metadata: Mapping[str, str], named: str, at: datetime) -> Selected:
        return Selected(self._rules)


def rules_for(path: Path) -> Rules:
    described = path.with_suffix(".json")
    preset = json.loads(described.read_text()).get("preset", {}) if described.exists() else {}
    return msgspec.convert(preset, Preset).rules(Rules())


def read(data: bytes, rules: Rules) -> tuple[Dialect, Rules, list[Any]]:
    dialect, body = open_file(iter([data]), rules)
    used = rules_of(dialect, rules)
    units = InvoiceReader(dialect, used).read(read_records(body, dialect, used, offset=0, row=0))
    return dialect, used, [row for unit in units for row in unit.rows]


@pytest.mark.parametrize("path", [*PROGRAMS, *SAMPLES], ids=lambda path: path.stem)
def test_every_row_written_as_a_correction_is_the_same_invoice(path: Path) -> None:
    rules = rules_for(path)
    dialect, used, rows = read(path.read_bytes(), rules)
    invoices = [row for row in rows if isinstance(row.result, ParsedInvoice)]
    rejected = [Rejected(row.row, row.offset, row.raw, ()) for row in invoices]
    named = [Correction(each.row, {}) for one in rejected for each in rows_of(one, dialect)]
    chosen = CorrectedRows(dialect, used, rejected, named)
    assert chosen.offsets() == []
    written = chosen.rows([])

    content = content_of_file(dialect, written)
    found = read_back("may.csv", {}, content, written, (dialect, used), Chosen(rules), NOW)  # type: ignore[arg-type]

    assert len(invoices) > 0
    assert [each.invoice for each in found] == [row.result for row in invoices]
    assert [each.rows[0] for each in found] == [row.row for row in invoices]


def test_a_file_that_would_be_read_in_another_way_is_refused() -> None:
    rules = Rules(constants={"currency": "EUR"})
    data = b"invoiceNumber,invoiceDate,net,vat,supplier\nA,2024-01-31,1.00,0.19,Acme\n"
    dialect, used, rows = read(data, rules)
    chosen = CorrectedRows(dialect, used, [Rejected(1, rows[0].offset, rows[0].raw, ())], [Correction(1, {})])
    written = chosen.rows([])
    content = content_of_file(dialect, written)
    for other in (
        Rules(constants={"currency": "USD"}),
        Rules(constants={"currency": "EUR"}, aliases={"supplier": "supplierAddress", "net": "supplierName"}),
        Rules(constants={"currency": "EUR"}, line_items="addUp"),
        Rules(),
    ):
        with pytest.raises(Conflict) as refused:
            read_back("may.csv", {}, content, written, (dialect, used), Chosen(other), NOW)  # type: ignore[arg-type]
        assert refused.value.code == "correction.dialect"


def test_the_name_follows_from_the_call_and_is_one_that_the_store_takes() -> None:
    id_ = ObjectId("a" * 24)
    assert name_of("acme/may.csv", id_, "one") == name_of("acme/may.csv", id_, "one")
    names = {name_of("acme/may.csv", id_, "one"), name_of("acme/may.csv", id_, "two"), name_of("acme/b", id_, "one")}
    assert len(names) == 3
    assert all(name.startswith("acme/") for name in names)
    long = name_of("acme/" + "ä" * 120 + ".csv", id_, "one")
    assert long.startswith("acme/ä")
    assert len(long.rpartition("/")[2].encode()) <= 255
