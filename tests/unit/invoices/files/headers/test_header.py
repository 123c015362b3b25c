"""Headers in nine languages; what to do with unknown, further and equal columns."""

import re
import unicodedata
from collections import defaultdict

import pytest

from mailroom.invoices.files import FileRejected, RowParser, Rules, detect, read_records
from mailroom.invoices.files.dialect import EXTRA
from mailroom.invoices.files.headers.header import match_header
from mailroom.invoices.files.headers.header_names import HEADER_NAMES, LINE_NAMES
from mailroom.invoices.files.headers.normalised_names import normalised
from mailroom.invoices.model.columns import COLUMNS, LINE_COLUMNS, MAPPABLE, REQUIRED, VAT_RATE

HEADERS = {
    "English": "Invoice No.,Date,Grand total,Subtotal,Tax,Vendor name,Vendor address,Currency code,Invoice status",
    "German": "Rechnungs-Nr.,Rechnungsdatum,Bruttobetrag,Nettobetrag,MwSt.,Lieferant,Anschrift,Währung,Zahlungsstatus",
    "French": "N° de facture,Date de facturation,Total TTC,Total HT,TVA,Fournisseur,Adresse,Devise,Statut",
    "Spanish": "N.º factura,Fecha de emisión,Importe total,Base imponible,Cuota IVA,Proveedor,Dirección,Moneda,"
    "Estado de pago",
    "Italian": "Numero,Data,Totale,Imponibile,IVA,Fornitore,Indirizzo,Valuta,Stato fattura",
    "Dutch": "Factuurnummer,Factuurdatum,Totaal incl. btw,Bedrag excl. btw,Btw-bedrag,Leverancier,Adres,Valuta,Status",
    "Polish": "Numer faktury,Data wystawienia,Wartość brutto,Wartość netto,Kwota VAT,Sprzedawca,Adres,Waluta,"
    "Status płatności",
    "Portuguese": "Número da fatura,Data de emissão,Total com IVA,Total sem IVA,Valor do IVA,Fornecedor,Morada,Moeda,"
    "Estado da fatura",
    "Swedish": "Fakturanr,Fakturadatum,Totalbelopp,Nettobelopp,Moms,Leverantör,Adress,Valuta,Fakturastatus",
}
WITHOUT_ACCENTS = str.maketrans("óéöäśćńłã", "oeoascnla")


def refused(header: str, rules: Rules = Rules()) -> FileRejected:  # noqa: B008 - Rules is immutable
    with pytest.raises(FileRejected) as error:
        match_header(header.split(","), rules)
    return error.value


@pytest.mark.parametrize("language", HEADERS)
@pytest.mark.parametrize("spelling", [str, str.upper, lambda text: text.translate(WITHOUT_ACCENTS)])
def test_a_header_is_read_in_each_language(language, spelling):
    assert match_header(spelling(HEADERS[language]).split(","), Rules()) == COLUMNS


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("Vendor Invoice No.,Doc. Date,Total inc GST,Total ex GST,Taxes,Vendor,Currency",
         "invoiceNumber,invoiceDate,grossAmount,netAmount,vatAmount,supplierName,currency"),
        ("Document Number,Vendor Invoice No.,Date issued,Doc. Date,Invoice total,Taxes,Tax total,Vendor,Currency",
         "invoiceNumber,,invoiceDate,,grossAmount,,vatAmount,supplierName,currency"),
        ("Inv No,Inv Date,Rechnungsbetrag brutto,Rechnungsbetrag netto,Lieferant,Währung",
         "invoiceNumber,invoiceDate,grossAmount,netAmount,supplierName,currency"),
    ],
)  # fmt: skip
def test_some_names_count_only_if_there_is_no_other(header, columns):
    found = match_header(header.split(","), Rules())
    assert ["" if each.startswith(EXTRA) else each for each in found] == columns.split(",")


def test_no_name_stands_for_two_columns():
    meanings = defaultdict(set)
    for table in (HEADER_NAMES, LINE_NAMES):
        for columns in table.values():
            for column, names in columns.items():
                assert column in MAPPABLE
                for name in re.split("[,;]", names):
                    meanings[normalised(name)].add(column)
    for column in MAPPABLE:
        meanings[normalised(column)].add(column)
    assert {name: columns for name, columns in meanings.items() if len(columns) > 1} == {}
    assert "" not in meanings


def test_each_language_has_a_name_for_each_column():
    assert HEADER_NAMES.keys() == HEADERS.keys()
    for columns in HEADER_NAMES.values():
        assert columns.keys() == {*COLUMNS, VAT_RATE}


@pytest.mark.parametrize(
    "name",
    ["Betrag", "Bedrag", "Importo", "Importe", "Montant", "Valor", "Suma", "Stato", "Estado", "Amount due", "Nr"],
)
def test_a_word_with_several_meanings_is_no_name(name):
    [column] = set(match_header([*COLUMNS, name], Rules())).difference(COLUMNS)
    assert column == EXTRA + name


def test_a_rate_is_no_amount():
    header = "Number,Date,VAT,Supplier,Currency,IVA %"
    assert refused(header).column == "grossAmount"


@pytest.mark.parametrize("name", ["VAT rate", "% IVA", "Aliquota", "Momssats"])
def test_a_second_rate_is_an_extra_column(name):
    assert match_header([*COLUMNS, name], Rules())[-1] == "vatRate"
    assert match_header([*COLUMNS, name, "Moms %"], Rules())[-2:] == ("vatRate", EXTRA + "Moms %")


def test_an_error_names_all_unknown_and_all_missing_columns():
    error = refused("Numero,Data,Uno,Due,Tre,Quattro,Cinque,Sei,Sette")
    assert error.code == "header.missing_column"
    for name in ("Uno", "Due", "Tre", "Quattro", "Cinque", "Sei", "Sette", *REQUIRED[2:]):
        assert name in error.message
    assert "preset" in error.message
    error = refused(f"{','.join(COLUMNS)},Eins,Zwei", Rules(extra_columns="reject"))
    assert (error.code, error.column) == ("header.unknown_column", "Eins")
    for part in ("Eins", "Zwei", "null"):
        assert part in error.message
    assert len(refused(",".join(f"column {number}" for number in range(1000))).message) < 5000


def test_a_column_is_dropped_also_by_a_built_in_name():
    header = [*COLUMNS[1:], "Invoice ID", "Our ref", "Internal"]
    rules = Rules(aliases={"Invoice ID": None, "our_REF": "invoiceNumber", "Internal": None})
    assert match_header(header, rules) == (*COLUMNS[1:], "", "invoiceNumber", "")


def test_two_columns_with_one_meaning_are_refused():
    error = refused(f"{','.join(COLUMNS)},Total,Brutto")
    assert error.code == "header.duplicate_column"
    for part in ("'grossAmount'", "'Total'", "'Brutto'", "preset", "null"):
        assert part in error.message


@pytest.mark.parametrize("other", ["Invoice ID", "Document No", "Date", "Payment status"])
def test_of_two_columns_the_one_counts_that_has_the_name_of_ours(other):
    assert match_header([other, *COLUMNS], Rules()) == (EXTRA + other, *COLUMNS)


@pytest.mark.parametrize(
    ("column", "both"),
    [("invoiceNumber", "Invoice ID,Document No"), ("grossAmount", "Gross amount,Total"), ("status", "Status,Status")],
)
def test_other_columns_with_one_meaning_are_refused(column, both):
    header = [*(name for name in COLUMNS if name != column), both]
    assert refused(",".join(header)).code == "header.duplicate_column"


def test_of_two_columns_with_one_meaning_the_mapped_one_counts():
    header = [*COLUMNS, "Total"]
    columns = match_header(header, Rules(aliases={"Total": "grossAmount"}))
    assert (columns[2], columns[-1]) == (f"{EXTRA}grossAmount", "grossAmount")
    assert match_header(header, Rules(aliases={"Total": None}))[-1] == ""
    both = Rules(aliases={"Total": "grossAmount", "grossAmount": "grossAmount"})
    assert refused(",".join(header), both).code == "header.duplicate_column"


def test_a_name_that_was_known_before_goes_before_a_new_one():
    columns = match_header([*COLUMNS[1:], "Num", "Belegnummer"], Rules())
    assert columns[-2:] == (f"{EXTRA}Num", "invoiceNumber")


def test_further_columns_of_the_same_name_are_kept():
    columns = match_header([*COLUMNS, "Notes", "Notes", "Notes (2)", "Notes"], Rules())
    assert columns[9:] == tuple(EXTRA + name for name in ("Notes", "Notes (3)", "Notes (2)", "Notes (4)"))


def test_names_of_line_columns_count_only_where_invoices_have_several_rows():
    header = [*COLUMNS, "Pos.", "Item", "Description", "Qty"]
    assert match_header(header, Rules())[9:] == tuple(EXTRA + name for name in header[9:])
    expected = ("lineNumber", "lineText", f"{EXTRA}Description", "lineQuantity")
    assert match_header(header, Rules(line_items="addUp"))[9:] == expected
    assert match_header(header, Rules(continuation_rows=True))[9:] == expected
    assert set(expected) - {f"{EXTRA}Description"} <= set(LINE_COLUMNS)


def test_a_column_that_is_mapped_to_lines_is_kept_where_invoices_have_none():
    rules = Rules(aliases={"Artikel": "lineText"})
    assert match_header([*COLUMNS, "Artikel"], rules)[-1] == f"{EXTRA}Artikel"
    assert match_header([*COLUMNS, "Artikel"], Rules(aliases=rules.aliases, line_items="addUp"))[-1] == "lineText"


def test_a_decomposed_name_is_the_same():
    header = unicodedata.normalize("NFD", HEADERS["German"])
    assert match_header(header.split(","), Rules()) == COLUMNS


def test_a_title_with_known_words_is_no_header():
    row = "A-1,2024-05-01,119.00,100.00,19.00,ACME,Via Roma 1,EUR,x"
    data = f"Fornitore,ACME\nData,2024-05-01\n\n{HEADERS['Italian']}\n{row}\n".encode()
    assert detect(data, Rules(), complete=True).columns == COLUMNS


def test_the_italian_file_of_the_issue_is_read():
    row = "A-2,2024-05-01,100.00,0.00,100.00,Via Roma 1,ACME S.r.l.,EUR,aperta"
    data = f"Numero,Data,Imponibile,IVA,Totale,Indirizzo,Fornitore,Valuta,Stato\n{row}\n".encode()
    rules = Rules()
    dialect = detect(data, rules, complete=True)
    [record] = read_records([data], dialect, rules, offset=0, row=0)
    invoice = RowParser(dialect, rules).parse(record)
    assert (invoice.invoice_number, str(invoice.net_amount), str(invoice.vat_amount)) == ("A-2", "100.00", "0.00")
    assert (invoice.supplier_name, invoice.supplier_address) == ("ACME S.r.l.", "Via Roma 1")
    assert (invoice.status, invoice.extra) == ("", {"Stato": "aperta"})


@pytest.mark.parametrize("name", ["Shipping", "Discount", "Versandkosten", "Frais de port", "IRPF", "Sconto"])
@pytest.mark.parametrize("amounts", [("Subtotal", "Total"), ("Subtotal", "VAT"), ("Subtotal", "VAT rate")])
def test_nothing_is_derived_from_net_beside_a_column_that_gross_may_hold_too(name: str, amounts: tuple[str, str]):
    names = ["Invoice No.", "Date", "Vendor", "Currency", *amounts, name]
    row = ["A-1", "2024-01-31", "Acme", "EUR", "100.00", "19.00"]

    def columns(amount: str, rules: Rules) -> tuple[str, ...]:
        lines = [names, [*row, "0.00"], [*row, amount]]
        return detect("".join(";".join(line) + "\n" for line in lines).encode(), rules, complete=True).columns

    with pytest.raises(FileRejected, match=name) as refused:
        columns("5.00", Rules())
    assert refused.value.code == "header.missing_column"
    assert columns("0.00", Rules())[-1] == EXTRA + name
    assert columns("5.00", Rules(aliases={name: None}))[-1] == ""


def test_net_is_derived_beside_a_discount_since_it_is_what_gross_has_without_vat():
    names = ["Invoice No.", "Date", "Vendor", "Currency", "Total", "VAT", "Discount"]
    assert match_header(names, Rules())[-1] == EXTRA + "Discount"
