"""What a column for the kind of a document says: `Type`, `Belegart`, `Tipo documento`, in words or in known codes.

Programs list payments and quotes beside invoices, and some write credit notes without a minus sign. Such a row would
be stored as an invoice that nobody sent. If the rows are right as they are, a preset maps the column to null.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from mailroom.invoices.files.dialect import EXTRA, Dialect
from mailroom.invoices.files.errors import RowError
from mailroom.invoices.files.headers.normalised_names import normalised
from mailroom.invoices.files.rules import Rules
from mailroom.invoices.files.values.cache import ValueCache


def _normalised(*names: str) -> frozenset[str]:
    return frozenset(normalised(name) for line in names for name in line.split(","))


_WORD = re.compile(r"[^\W_]+")


def _words(text: str) -> str:
    """The words of a text with a space before and after each."""
    return f" {' '.join(map(normalised, _WORD.findall(text)))} "


def _phrases(*texts: str) -> frozenset[str]:
    return frozenset(_words(text) for line in texts for text in line.split(",") if text)


_NAMES = _normalised(
    "Type, Document type, Doc type, Invoice type, Transaction type, Voucher type, Bill type, Record type, Kind",
    "Belegart, Belegtyp, Dokumenttyp, Dokumentart, Dokumententyp, Rechnungsart, Rechnungstyp, Typ, Art, Vorgangsart",
    "Type de document, Type document, Type de facture, Type de pièce, Nature",
    "Tipo, Tipo documento, Tipo de documento, Tipo doc, Tipo de comprobante, Tipo comprobante, Tipo de factura",
    "Tipo factura, Tipo fattura, Tipo di documento, Tipo de fatura, Documenttype, Type document, Soort, Soort document",
    "Typ dokumentu, Rodzaj dokumentu, Rodzaj, Dokumenttyp, Fakturatyp",
    "Tran type, Trans type, Vch type, Invoice type code, Document type code",
    "Tipo DTE, Tipo cbte, Efecto comprobante, Efecto del comprobante",
)
_CREDIT_NOTES = _phrases(
    "credit note, credit memo, creditnote, creditmemo, vendor credit, supplier credit, refund",
    "Gutschrift, Rechnungsgutschrift, Rechnungskorrektur, Korrekturrechnung, Storno, Stornorechnung, Stornierung",
    "Erstattung, Rückerstattung, avoir, note de crédit",
    "nota de crédito, abono, nota di credito, nota credito, creditnota, creditfactuur, kreditfaktura, kreditnota",
    "TD04, TD08, ACCRECCREDIT, ACCPAYCREDIT",
)
"""Each may be a part of the text: `Sales credit note`, `3 - Nota de Crédito A`."""
_WHOLE_CREDIT_NOTES = _phrases("credit, credits, sales credit, purchase credit, pur credit")
"""Each is the whole text."""
_NO_INVOICES = _phrases(
    "payment, payments, customer payment, bill payment, payment received, invoice payment, receive payment",
    "bill payment check, bill pmt check, journal, journal entry, general journal, deposit, credit card payment",
    "estimate, quote, quotation, proposal, sales order, purchase order, proforma, pro forma, proforma invoice",
    "Zahlung, Zahlungseingang, Zahlungsausgang, Angebot, Auftragsbestätigung, Auftrag, Lieferschein, Proformarechnung",
    "Mahnung, paiement, règlement, encaissement, devis, facture proforma, pago, cobro, presupuesto, albarán",
    "pagamento, incasso, preventivo, orçamento, recebimento, betaling, offerte, płatność, wpłata, oferta",
    "betalning, inbetalning, offert",
)
"""Each is the whole text."""
_CODES = tuple(
    (_normalised(names), _phrases(credit_notes), _phrases(no_invoices))
    for names, credit_notes, no_invoices in (
        # UN/CEFACT 1001, as in UBL and EN 16931
        ("Type, Invoice type, Document type, Doc type, Invoice type code, Document type code", "381, 396", ""),
        # Sage 50
        ("Type, Tran type, Trans type, Transaction type", "SC, PC", "SR, SA, PP, PA, BP, BR, CP, CR, JD, JC, VP, VR"),
        # Tally
        ("Vch type, Voucher type", "", "receipt, contra"),
        # Mexico (CFDI), Argentina (ARCA), Peru (SUNAT)
        (
            "Tipo de comprobante, Tipo comprobante, Tipo cbte, Efecto comprobante, Efecto del comprobante",
            "E, Egreso, 3, 8, 13, 53, 203, 208, 213, 003, 008, 013, 053, 07",
            "P, N, T, Nómina, Traslado",
        ),
        # Chile (SII), Peru, Portugal (SAF-T)
        ("Tipo, Tipo doc, Tipo documento, Tipo de documento, Tipo DTE", "61, 112, 07, NC", "RC, RG"),
    )
)
"""The codes of programs and authorities: names of columns, then what is a credit note there, and what is no invoice."""
_LONGEST = 100


class DocumentKinds:
    """Judges the rows of one file by the columns that say the kind of a document."""

    def __init__(self, dialect: Dialect, rules: Rules) -> None:
        self.places = kind_places(dialect, rules)
        self._names = dialect.names
        self._kinds = {place: ValueCache(partial(kind_of, name=self._names[place])) for place in self.places}

    def fault(self, fields: Sequence[str], gross: Decimal | None) -> RowError | None:
        """Why the row is not to be stored, if its kind says so."""
        for place in self.places:
            text, name = fields[place].strip()[:_LONGEST], self._names[place]
            kind = self._kinds[place][text]
            advice = f"If it is right as it is, map {name!r} to null in a preset."
            if kind == "other":
                return RowError(None, "row.not_invoice", f"{text!r} in {name!r} is no invoice. {advice}")
            if kind == "credit note" and gross is not None and gross > 0:
                message = f"{text!r} in {name!r} is a credit note, and {gross} has no minus sign. {advice}"
                return RowError("grossAmount", "amount.sign", message)
        return None


def kind_places(dialect: Dialect, rules: Rules) -> list[int]:
    """The indexes of the columns that say the kind. Allowed statuses decide by themselves."""
    kept = [
        index
        for index, column in enumerate(dialect.columns)
        if column.startswith(EXTRA) or (column == "status" and not rules.statuses)
    ]
    return [index for index in kept if normalised(dialect.names[index]) in _NAMES]


def kind_of(text: str, name: str) -> str:
    """`credit note`, `other` for what is no invoice, or empty. `name` is that of the column, which may have codes."""
    words, column = _words(text[:_LONGEST]), normalised(name)
    codes = [(credit_notes, others) for names, credit_notes, others in _CODES if column in names]
    if words in _NO_INVOICES or any(words in others for _, others in codes):
        return "other"
    if words in _WHOLE_CREDIT_NOTES or any(words in credit_notes for credit_notes, _ in codes):
        return "credit note"
    return "credit note" if any(phrase in words for phrase in _CREDIT_NOTES) else ""
