"""Matches the names of a header with our columns, without case, spaces, underscores, dots and dashes."""

import re
from collections.abc import Mapping, Sequence

from mailroom.invoices.files.dialect import EXTRA
from mailroom.invoices.files.errors import FileRejected
from mailroom.invoices.files.rejects import MOST_ADDED
from mailroom.invoices.files.rules import Rules
from mailroom.invoices.model.columns import COLUMNS, REQUIRED

MAX_COLUMNS = 1000
MAX_NAME_CHARACTERS = 100

_ALIASES = {
    "invoiceNumber": "Invoice No., Invoice Nr, Invoice ID, Invoice, Number, Document No, Bill No, "
    "Rechnungsnummer, Rechnungs-Nr., Rechnung Nr., Rech-Nr., Rg-Nr., Re-Nr., Belegnummer, Beleg-Nr., Numéro de facture",
    "invoiceDate": "Date, Date of invoice, Document date, Bill date, Issue date, "
    "Rechnungsdatum, Datum, Belegdatum, Rg-Datum, Ausstellungsdatum, Date de facture",
    "grossAmount": "Gross, Gross total, Total gross, Total, Total amount, Invoice amount, Amount incl. VAT, "
    "Brutto, Bruttobetrag, Bruttosumme, Gesamtbetrag, Rechnungsbetrag, Betrag brutto, Montant TTC",
    "netAmount": "Net, Net total, Total net, Subtotal, Amount excl. VAT, "
    "Netto, Nettobetrag, Nettosumme, Betrag netto, Montant HT",
    "vatAmount": "VAT, VAT total, Total VAT, Tax, Tax amount, Sales tax, "
    "MwSt, MwSt-Betrag, Mehrwertsteuer, USt, USt-Betrag, Umsatzsteuer, Steuer, Steuerbetrag, TVA, Montant TVA",
    "supplierName": "Supplier, Vendor, Vendor name, Seller, Company, "
    "Lieferant, Lieferantenname, Name des Lieferanten, Kreditor, Kreditorname, Verkäufer, Firma, Fournisseur",
    "supplierAddress": "Address, Vendor address, Seller address, "
    "Adresse, Anschrift, Lieferantenadresse, Lieferantenanschrift, Adresse fournisseur",
    "currency": "Currency code, Währung, Waehrung, Währungscode, Devise",
    "status": "State, Invoice status, Payment status, Zustand, Zahlungsstatus, Rechnungsstatus, Statut",
}


def normalised(name: str) -> str:
    """The part of a header name that counts."""
    return re.sub(r"[\W_]+", "", name.casefold())


_KNOWN = {normalised(column): column for column in COLUMNS} | {
    normalised(alias): column for column, aliases in _ALIASES.items() for alias in aliases.split(",")
}


def known_names(rules: Rules) -> Mapping[str, str]:
    """Normalised header name -> one of MAPPABLE, or "" to drop the column. Own aliases go before the built-in ones."""
    return _KNOWN | {normalised(name): column or "" for name, column in rules.aliases.items()}


def count_known(names: Sequence[str], known: Mapping[str, str]) -> int:
    """The number of names in `known`."""
    return sum(normalised(name) in known for name in names)


def find_header(rows: Sequence[Sequence[str]], rules: Rules) -> int:
    """The index of the first row with a name for every required column, else of the one with the most known names."""
    known = known_names(rules)
    complete = (at for at, names in enumerate(rows) if has_required(names, known))
    best = max(range(len(rows)), key=lambda at: count_known(rows[at], known))
    return next(complete, best)


def has_required(names: Sequence[str], known: Mapping[str, str]) -> bool:
    """Whether there is a name for every required column."""
    return {known.get(normalised(name)) for name in names}.issuperset(REQUIRED)


def match_header(names: Sequence[str], rules: Rules) -> tuple[str, ...]:
    """The entries of `Dialect.columns` for a header.

    Raises FileRejected: `header.too_many_columns`, `header.unknown_column`, `header.duplicate_column`,
    `header.missing_column`, each naming the columns.
    """
    added = sum(name.startswith("_") for name in names[:MOST_ADDED])
    if len(names) - added > MAX_COLUMNS:
        raise FileRejected("header.too_many_columns", f"The header has {len(names)} columns, more than {MAX_COLUMNS}.")
    known = known_names(rules)
    columns: list[str] = []
    for name in map(str.strip, names):
        column = "" if name.startswith("_") or not name else known.get(normalised(name), EXTRA + name)
        if column.startswith(EXTRA):
            _check_extra(name, rules)
        if column and column in columns:
            raise FileRejected("header.duplicate_column", f"{name!r} is a second column for {column}.", column)
        columns.append(column)
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        message = f"The header has no column for {', '.join(missing)}.{_unknown(columns)}"
        raise FileRejected("header.missing_column", message, missing[0])
    return tuple(columns)


def _unknown(columns: Sequence[str]) -> str:
    """Names the first unknown columns: one of them may be the missing one under another name."""
    names = [repr(column.removeprefix(EXTRA)) for column in columns if column.startswith(EXTRA)]
    return f" Not known are {', '.join(names[:5])}: IMPORT_ALIASES can name what they are." if names else ""


def _check_extra(name: str, rules: Rules) -> None:
    if rules.extra_columns == "reject":
        advice = "Rename or remove it, or set IMPORT_EXTRA_COLUMNS to 'keep'."
        message = f"{name[:MAX_NAME_CHARACTERS]!r} is no known column. {advice}"
        raise FileRejected("header.unknown_column", message, name[:MAX_NAME_CHARACTERS])
    if len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        message = f"The column name {name[:MAX_NAME_CHARACTERS]!r} is too long or has control characters."
        raise FileRejected("header.unknown_column", message, name[:MAX_NAME_CHARACTERS])
