"""Columns with amounts that gross has and net and VAT lack, or the other way round: shipping, fees, a second tax.

Beside such a column, the amount that a file leaves out cannot be derived from the others. A column is one if its name
has a word for such an amount, and no word but those and general ones: `Card Processing Fees`, but not `Shipping Zip`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailroom.invoices.files.dialect import EXTRA
from mailroom.invoices.files.headers.header_currency import split_currency
from mailroom.invoices.files.headers.normalised_names import normalised


def _words(*lines: str) -> frozenset[str]:
    return frozenset(normalised(word) for line in lines for word in line.split())


_FURTHER = _words(
    # English, German, French
    "shipping freight postage delivery handling discount discounts rebate tip tips gratuity surcharge adjustment",
    "fee fees commission commissions withholding withheld exempt",
    "Versand Versandkosten Fracht Frachtkosten Porto Rabatt Rabatte Nachlass Skonto Zuschlag Gebühr Gebühren Entgelt",
    "Entgelte Provision Bearbeitungsgebühr Versandgebühr Verkaufsgebühr Transaktionsgebühr steuerfrei",
    "frais livraison remise remises escompte exonéré exonérée",
    # Spanish, Italian, Portuguese
    "envío portes descuento descuentos retención retenciones IRPF comisión comisiones tarifa tarifas exento exenta",
    "exentas exentos tributos spedizione trasporto sconto sconti ritenuta bollo commissione commissioni tariffa esente",
    "frete desconto descontos retenção retenções comissão comissões isento",
    # Dutch, Polish, Swedish
    "verzending verzendkosten korting toeslag commissie transactiekosten wysyłka prowizja opłata opłaty rabat frakt",
    "fraktkostnad avgift avgifter rabatter",
)
_GENERAL = _words(
    "amount amounts total totals sum cost costs charge charges gross net adjusted tax marketplace platform seller card",
    "payment processing transaction service bank credit paypal stripe order item cart invoice entity insurance and of",
    "the op imp monto importe importo valor montant betrag bedrag kwota belopp summe gesamt kosten koszt costo costos",
    "gastos otros otras spese totale d de des du del della di da do le la les un une y e et und en i acconto port",
)

_TAXES = _words(
    "tax taxes vat gst hst pst qst cgst sgst igst utgst cess mwst ust mehrwertsteuer umsatzsteuer steuer vorsteuer tva",
    "tps tvq iva iva21 btw moms imposta impuesto impuestos imposto impostos podatek",
)
_OWN_TAXES = _words("gst hst pst qst cgst sgst igst utgst cess tps tvq")
"""Each is one of several taxes on an invoice."""
_OF_PLACES = _words(
    "state county city local provincial federal district municipal additional second integrated central ut"
)
_OF_TAXES = _words("amount betrag montant importe importo total de der zu sales")
_WORDS = _FURTHER | _GENERAL | _TAXES | _OF_PLACES | _OF_TAXES
_NUMBER = re.compile(r"\d{1,2}")
_PART = re.compile(r"[^\W\d_]+|\d+")
_SPACE = re.compile(r"(?<=[a-z])(?=[A-Z])")


def further_amounts(columns: Sequence[str]) -> list[int]:
    """The indexes of extra columns with amounts by which gross may differ from net and VAT, such as shipping."""
    return [index for index, name in _extra(columns) if _is_further(_parts(name))]


def further_taxes(columns: Sequence[str]) -> list[int]:
    """The indexes of extra columns with a part of the taxes, or with a tax beside VAT: `PST`, `MwSt 7 %`, `Tax 2`."""
    return [index for index, name in _extra(columns) if is_one_of_several(name)]


def is_one_of_several(name: str) -> bool:
    """Whether a column has one of several taxes."""
    parts = _parts(name)
    distinct = [part for part in parts if part in _OWN_TAXES or part in _OF_PLACES or _NUMBER.fullmatch(part)]
    general = _TAXES | _OF_PLACES | _OF_TAXES
    return bool(
        distinct and not _TAXES.isdisjoint(parts) and all(part in general or _NUMBER.fullmatch(part) for part in parts)
    )


def _extra(columns: Sequence[str]) -> list[tuple[int, str]]:
    return [(at, column.removeprefix(EXTRA)) for at, column in enumerate(columns) if column.startswith(EXTRA)]


def _parts(name: str) -> list[str]:
    """The words and numbers of a name, without a currency behind it."""
    split = split_currency(name)
    parts: list[str] = []
    for part in _PART.findall(split[0] if split else name):
        known = normalised(part) in _WORDS
        parts += [normalised(each) for each in ([part] if known else _SPACE.split(part))]
    return parts


def _is_further(parts: Sequence[str]) -> bool:
    return not _FURTHER.isdisjoint(parts) and all(part in _FURTHER or part in _GENERAL for part in parts)
