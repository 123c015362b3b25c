"""Names of columns in nine languages: language, then column, then the names that a header may have for it.

The terms are those of EN 16931 (BT-1 invoice number, BT-2 issue date, BT-5 currency, BT-27 seller name, BT-109 total
without VAT, BT-110 VAT, BT-112 total with VAT) and UBL 2.1, of the national formats FatturaPA (it), Facturae (es) and
DATEV (de), and the words that ERPNext and Odoo show for them in each language.

A name has one meaning in all nine languages, or it is left out. So these are not here: words for any amount (Betrag,
Bedrag, Belopp, Kwota, Importe, Importo, Montant, Valor), for any sum (Summa, Suma, Razem, Summe), for an amount to pay,
which may be less than the gross amount; `bruto` (before discounts in Spanish and Portuguese); `Estado`, `Stato` and
`État`, which may be a part of an address; `Vendedor` and `Säljare`, who may be the person that sold; customers of all
kinds; and row numbers (No, Nr). A preset can still map them.

Case, accents, spaces and punctuation do not count. `%` does.

If a file has two names for one column, a name of `FIRST_LANGUAGES` before the first `;` has the values, and the other
column is an extra one: so files that were imported when only these names were known are still read in the same way.
For the same reason, names behind a second `;` count only if the file has no other one.
"""

FIRST_LANGUAGES = ("English", "German", "French")

HEADER_NAMES: dict[str, dict[str, str]] = {
    "English": {
        "invoiceNumber": "Invoice No., Invoice Nr, Invoice ID, Invoice, Number, Document No, Bill No; Invoice num, "
        "Num, Document number, Bill number; Inv no, Inv number, Tax invoice no, Tax invoice number, Vendor invoice no, "
        "Vendor invoice number, Supplier invoice no, Supplier invoice number",
        "invoiceDate": "Date, Date of invoice, Document date, Bill date, Issue date; Date issued, Date of issue; "
        "Doc date, Inv date, Invoice bill date, Tax invoice date",
        "grossAmount": "Gross, Gross total, Total gross, Total, Total amount, Invoice amount, Amount incl. VAT; "
        "Grand total, Invoice total, Amount including VAT, Total incl. VAT, Total including VAT, "
        "Invoice total amount with VAT, Tax inclusive amount; Total incl. tax, Total including tax, Total inc VAT, "
        "Total inc GST, Amount incl. tax, Amount including tax, Amount inc VAT, Amount inc GST",
        "netAmount": "Net, Net total, Total net, Subtotal, Amount excl. VAT; Untaxed amount, "
        "Amount excluding VAT, Total excl. VAT, Total excluding VAT, "
        "Invoice total amount without VAT, Tax exclusive amount; Total excl. tax, Total excluding tax, Total ex VAT, "
        "Total ex GST, Amount excl. tax, Amount excluding tax, Amount ex VAT, Amount ex GST",
        "vatAmount": "VAT, VAT total, Total VAT, Tax, Tax amount, Sales tax; Tax total, Total tax, GST, "
        "GST amount, Invoice total VAT amount; Taxes, Total taxes, Total tax amount, Sales tax amount",
        "vatRate": "VAT rate, VAT %, VAT percent, Tax rate, Tax %, Tax percent, GST rate, GST %",
        "supplierName": "Supplier, Vendor, Vendor name, Seller, Company; Seller name, Company name",
        "supplierAddress": "Address, Vendor address, Seller address",
        "currency": "Currency code; Invoice currency, Invoice currency code, Document currency code",
        "status": "State, Invoice status, Payment status",
    },
    "German": {
        "invoiceNumber": "Rechnungsnummer, Rechnungs-Nr., Rechnung Nr., Rech-Nr., Rg-Nr., Re-Nr., Belegnummer, "
        "Beleg-Nr.",
        "invoiceDate": "Rechnungsdatum, Datum, Belegdatum, Rg-Datum, Ausstellungsdatum",
        "grossAmount": "Brutto, Bruttobetrag, Bruttosumme, Gesamtbetrag, Rechnungsbetrag, Betrag brutto; "
        "Bruttowert, Rechnungssumme, Summe brutto, Gesamt brutto; Rechnungsbetrag brutto",
        "netAmount": "Netto, Nettobetrag, Nettosumme, Betrag netto; Nettowert, Summe netto, Gesamt netto, "
        "Zwischensumme; Rechnungsbetrag netto",
        "vatAmount": "MwSt, MwSt-Betrag, Mehrwertsteuer, USt, USt-Betrag, Umsatzsteuer, Steuer, Steuerbetrag; "
        "Vorsteuer; Umsatzsteuerbetrag, Mehrwertsteuerbetrag",
        "vatRate": "MwSt-Satz, MwSt %, USt-Satz, USt %, Steuersatz, Steuer %, Mehrwertsteuersatz, Umsatzsteuersatz",
        "supplierName": "Lieferant, Lieferantenname, Name des Lieferanten, Kreditor, Kreditorname, Verkäufer, Firma",
        "supplierAddress": "Adresse, Anschrift, Lieferantenadresse, Lieferantenanschrift",
        "currency": "Währung, Waehrung, Währungscode",
        "status": "Zustand, Zahlungsstatus, Rechnungsstatus",
    },
    "French": {
        "invoiceNumber": "Numéro de facture; Numéro facture, N° de facture, N° facture, No de facture, No facture, "
        "Numéro, Facture",
        "invoiceDate": "Date de facture; Date facture, Date de la facture, Date de facturation, Date d'émission",
        "grossAmount": "Montant TTC; Total TTC, Montant total TTC, TTC",
        "netAmount": "Montant HT; Total HT, Montant total HT, HT, Total hors taxes, Montant hors taxes, Sous-total",
        "vatAmount": "TVA, Montant TVA; Montant de la TVA, Total TVA",
        "vatRate": "Taux TVA, Taux de TVA, TVA %, % TVA",
        "supplierName": "Fournisseur; Nom du fournisseur, Nom fournisseur",
        "supplierAddress": "Adresse fournisseur; Adresse du fournisseur",
        "currency": "Devise; Code devise",
        "status": "Statut; Statut de la facture, Statut facture, Statut de paiement",
    },
    "Spanish": {
        "invoiceNumber": "Número de factura, Número factura, Nº de factura, Nº factura, N° de factura, N° factura, "
        "Núm. de factura, Núm. factura, Número, Factura",
        "invoiceDate": "Fecha, Fecha de factura, Fecha factura, Fecha de la factura, Fecha de emisión, "
        "Fecha emisión, Fecha de expedición",
        "grossAmount": "Importe total, Total factura, Total con IVA, Importe con IVA, Total IVA incluido",
        "netAmount": "Base imponible, Importe neto, Total neto, Neto, Importe sin IVA, Total sin IVA, "
        "Total sin impuestos",
        "vatAmount": "IVA, Importe IVA, Importe del IVA, Importe de IVA, Cuota IVA, Cuota de IVA, Total IVA, "
        "Impuestos, Total impuestos",
        "vatRate": "Tipo IVA, Tipo de IVA, IVA %, % IVA, Porcentaje IVA, Porcentaje de IVA",
        "supplierName": "Proveedor, Nombre del proveedor, Nombre de proveedor, Nombre proveedor",
        "supplierAddress": "Dirección, Dirección del proveedor, Dirección proveedor",
        "currency": "Moneda, Divisa, Código de moneda",
        "status": "Estado de la factura, Estado factura, Estado de pago, Estado del pago",
    },
    "Italian": {
        "invoiceNumber": "Numero, Numero fattura, Numero della fattura, N. fattura, Nr. fattura, Num. fattura, "
        "Fattura, Numero documento",
        "invoiceDate": "Data, Data fattura, Data della fattura, Data documento, Data emissione, Data di emissione",
        "grossAmount": "Totale, Totale fattura, Totale documento, Importo totale, Importo totale documento, "
        "Totale con IVA, Totale IVA inclusa",
        "netAmount": "Imponibile, Totale imponibile, Imponibile importo, Totale senza IVA, Totale IVA esclusa",
        "vatAmount": "IVA, Importo IVA, Totale IVA, Imposta, Totale imposta",
        "vatRate": "Aliquota IVA, Aliquota, Aliquota %, IVA %, % IVA",
        "supplierName": "Fornitore, Nome fornitore, Nome del fornitore, Cedente prestatore",
        "supplierAddress": "Indirizzo, Indirizzo fornitore, Indirizzo del fornitore",
        "currency": "Valuta, Divisa, Codice valuta",
        "status": "Stato fattura, Stato della fattura, Stato pagamento, Stato documento",
    },
    "Dutch": {
        "invoiceNumber": "Factuurnummer, Factuurnr., Factuur nr., Factuur, Nummer, Documentnummer",
        "invoiceDate": "Factuurdatum, Datum, Datum factuur, Documentdatum",
        "grossAmount": "Totaal, Totaalbedrag, Factuurbedrag, Totaal incl. btw, Totaal inclusief btw, "
        "Bedrag incl. btw, Bedrag inclusief btw",
        "netAmount": "Netto, Nettobedrag, Subtotaal, Totaal excl. btw, Totaal exclusief btw, Bedrag excl. btw, "
        "Bedrag exclusief btw",
        "vatAmount": "Btw, Btw-bedrag, Totaal btw, Bedrag btw",
        "vatRate": "Btw %, Btw-tarief, Btw-percentage",
        "supplierName": "Leverancier, Leveranciersnaam, Naam leverancier, Naam van leverancier",
        "supplierAddress": "Adres, Leveranciersadres, Adres leverancier",
        "currency": "Valuta, Valutacode, Munteenheid",
        "status": "Factuurstatus, Betaalstatus, Betalingsstatus",
    },
    "Polish": {
        "invoiceNumber": "Numer faktury, Nr faktury, Numer, Faktura, Numer dokumentu, Nr dokumentu",
        "invoiceDate": "Data, Data faktury, Data wystawienia, Data wystawienia faktury, Data dokumentu",
        "grossAmount": "Brutto, Kwota brutto, Wartość brutto, Razem brutto, Suma brutto",
        "netAmount": "Netto, Kwota netto, Wartość netto, Razem netto, Suma netto",
        "vatAmount": "VAT, Kwota VAT, Wartość VAT, Razem VAT, Suma VAT, Podatek VAT, Podatek",
        "vatRate": "Stawka VAT, VAT %",
        "supplierName": "Dostawca, Nazwa dostawcy, Sprzedawca, Nazwa sprzedawcy",
        "supplierAddress": "Adres, Adres dostawcy, Adres sprzedawcy",
        "currency": "Waluta, Kod waluty",
        "status": "Status faktury, Status płatności",
    },
    "Portuguese": {
        "invoiceNumber": "Número da fatura, Número da factura, Nº da fatura, Nº fatura, N.º da factura, N.º factura, "
        "Número, Fatura, Número do documento",
        "invoiceDate": "Data, Data da fatura, Data da factura, Data de emissão, Data emissão, Data do documento",
        "grossAmount": "Valor total, Total da fatura, Total da factura, Total com IVA, Valor com IVA",
        "netAmount": "Valor sem IVA, Total sem IVA, Base tributável",
        "vatAmount": "IVA, Valor do IVA, Valor IVA, Total IVA, Total do IVA, Impostos, Total de impostos",
        "vatRate": "Taxa de IVA, Taxa IVA, IVA %, % IVA",
        "supplierName": "Fornecedor, Nome do fornecedor",
        "supplierAddress": "Morada, Endereço, Morada do fornecedor, Endereço do fornecedor",
        "currency": "Moeda, Código da moeda",
        "status": "Estado da fatura, Estado da factura, Estado de pagamento, Estado do pagamento",
    },
    "Swedish": {
        "invoiceNumber": "Fakturanummer, Fakturanr, Faktura nr, Faktura, Nummer",
        "invoiceDate": "Fakturadatum, Datum",
        "grossAmount": "Brutto, Bruttobelopp, Totalt, Totalbelopp, Fakturabelopp, Totalt inkl. moms, "
        "Summa inkl. moms, Belopp inkl. moms",
        "netAmount": "Netto, Nettobelopp, Totalt exkl. moms, Summa exkl. moms, Belopp exkl. moms",
        "vatAmount": "Moms, Momsbelopp, Varav moms",
        "vatRate": "Momssats, Moms %",
        "supplierName": "Leverantör, Leverantörsnamn, Leverantörens namn",
        "supplierAddress": "Adress, Leverantörsadress",
        "currency": "Valuta, Valutakod",
        "status": "Fakturastatus, Betalstatus, Betalningsstatus",
    },
}

LINE_NAMES: dict[str, dict[str, str]] = {
    "English": {
        "lineNumber": "Line, Line No., Line number, Position, Pos.",
        "lineText": "Description, Item, Item name, Item description, Line description, Product, Product name",
        "lineQuantity": "Quantity, Qty",
        "lineNet": "Line net amount, Line extension amount, Net line amount, Invoice line net amount",
    },
    "German": {
        "lineNumber": "Positionsnummer, Pos.-Nr.",
        "lineText": "Bezeichnung, Beschreibung, Artikel, Artikelbezeichnung, Leistung",
        "lineQuantity": "Menge, Anzahl",
    },
    "French": {
        "lineText": "Désignation, Libellé, Article",
        "lineQuantity": "Quantité, Qté",
    },
    "Spanish": {
        "lineText": "Descripción, Concepto, Artículo",
        "lineQuantity": "Cantidad",
    },
    "Italian": {
        "lineNumber": "Numero linea, Riga",
        "lineText": "Descrizione, Articolo",
        "lineQuantity": "Quantità",
    },
    "Dutch": {
        "lineText": "Omschrijving",
        "lineQuantity": "Aantal",
    },
    "Polish": {
        "lineText": "Opis, Nazwa towaru, Nazwa towaru lub usługi",
        "lineQuantity": "Ilość",
    },
    "Portuguese": {
        "lineText": "Descrição, Artigo",
        "lineQuantity": "Quantidade",
    },
    "Swedish": {
        "lineText": "Beskrivning, Benämning",
        "lineQuantity": "Antal",
    },
}
"""The columns of a line. They count only where a preset says that an invoice has several rows.

The total of a line is left out: it may be with or without VAT.
"""
