"""Rows that are no invoices, and credit notes without a minus sign, are refused where a column says what they are."""

import pytest

from mailroom.invoices.files import Rejected, Rules
from mailroom.invoices.files.rows.document_kinds import kind_of
from mailroom.invoices.model.columns import ParsedInvoice
from tests.unit.invoices.files.values.test_derived import faults, file_of, only, read

AMOUNTS = {"grossAmount": "119.00", "netAmount": "100.00", "vatAmount": "19.00"}
NEGATIVE = {name: f"-{text}" for name, text in AMOUNTS.items()}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("Type", "Credit Memo"), ("Document type", "Sales credit note"), ("Belegart", "Gutschrift"),
        ("Belegtyp", "Rechnungskorrektur"), ("Type de document", "Avoir"), ("Tipo documento", "Nota di credito"),
        ("Tipo documento", "TD04"), ("Tipo", "3 - Nota de Crédito A"), ("Invoice type", "Refund"),
        ("Type", "Credit"), ("Type", "ACCRECCREDIT"), ("Belegart", "Korrekturrechnung"), ("Vch Type", "Credit Note"),
    ],
)  # fmt: skip
def test_a_credit_note_needs_a_minus_sign(column, text):
    assert faults(file_of({column: text} | AMOUNTS)) == [("grossAmount", "amount.sign")]
    credit = only(file_of({column: text} | NEGATIVE))
    assert (str(credit.gross_amount), credit.extra) == ("-119.00", {column: text})


@pytest.mark.parametrize("text", ["Payment", "Bill Payment", "Zahlung", "Quote", "Angebot", "Devis", "Pago"])
def test_payments_and_quotes_are_no_invoices(text):
    assert faults(file_of({"Type": text} | AMOUNTS)) == [(None, "row.not_invoice")]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("Invoice type code", "381"), ("Type", "SC"), ("Type", "PC"), ("TipoDeComprobante", "E"),
        ("Efecto Comprobante", "Egreso"), ("Tipo de Comprobante", "3"), ("tipo_cbte", "008"), ("Tipo Doc", "61"),
        ("Tipo documento", "07"), ("Tipo", "NC"),
    ],
)  # fmt: skip
def test_codes_say_that_it_is_a_credit_note(column, text):
    assert faults(file_of({column: text} | AMOUNTS)) == [("grossAmount", "amount.sign")]
    assert only(file_of({column: text} | NEGATIVE)).gross_amount == -119


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("Type", "SR"), ("Type", "PP"), ("Vch Type", "Receipt"), ("TipoDeComprobante", "P"),
        ("Efecto Comprobante", "Nómina"), ("Tipo", "RC"),
    ],
)  # fmt: skip
def test_codes_say_that_it_is_no_invoice(column, text):
    assert faults(file_of({column: text} | AMOUNTS)) == [(None, "row.not_invoice")]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("Type", "SI"), ("Type", "380"), ("Type", "61"), ("Type", "E"), ("Type", "Receipt"), ("Tipo", "Egreso"),
        ("TipoDeComprobante", "I"), ("Tipo de Comprobante", "1"), ("Tipo Doc", "33"), ("Tipo", "FT"),
    ],
)  # fmt: skip
def test_other_codes_say_nothing_and_codes_count_in_their_columns_only(column, text):
    assert only(file_of({column: text} | AMOUNTS)).gross_amount == 119


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("Type", "Invoice"), ("Type", "Goods"), ("Type", ""), ("Type", "Savoir-faire"), ("Type", "Payment plan"),
        ("Description", "Refund"), ("Reference", "Payment"), ("Payment type", "Payment"), ("Status", "Refund"),
    ],
)  # fmt: skip
def test_other_texts_and_columns_say_nothing(column, text):
    assert only(file_of({column: text} | AMOUNTS)).gross_amount == 119


def test_a_preset_says_that_the_rows_are_right_as_they_are():
    data = file_of({"Type": "Gutschrift"} | AMOUNTS)
    assert only(data, Rules(aliases={"Type": None})).gross_amount == 119


def test_the_kind_counts_also_as_the_status_unless_the_statuses_are_given():
    data = file_of({"Type": "Payment"} | AMOUNTS)
    assert faults(data, Rules(aliases={"Type": "status"})) == [(None, "row.not_invoice")]
    stated = Rules(aliases={"Type": "status"}, statuses=frozenset({"Payment"}))
    assert only(data, stated).status == "Payment"


def test_payments_in_a_report_do_not_become_invoices():
    data = (
        ",Type,Date,Num,Name,Open Balance,Amount\n"
        "Acme Ltd,,,,,,\n"
        ",Invoice,01/31/2024,1001,Acme Ltd,0.00,120.00\n"
        ",Payment,02/05/2024,77,Acme Ltd,0.00,-120.00\n"
    )
    own = {"Amount": "grossAmount", "Name": "supplierName"}
    _, invoice, payment = read(data, Rules(aliases=own, constants={"currency": "USD", "vatRate": "0"}))[1]
    assert isinstance(invoice, ParsedInvoice)
    assert isinstance(payment, Rejected)
    assert [error.code for error in payment.errors] == ["row.not_invoice"]


def test_a_long_text_is_read_in_bounded_time():
    assert kind_of("credit note " * 100_000, "Type") == "credit note"
