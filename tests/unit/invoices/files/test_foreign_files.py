"""Files of other programs and countries are read exactly or refused, and never read wrong."""

# ruff: noqa: RUF001 - text in many alphabets is the subject here

import pytest

from mailroom.invoices.files import Dialect, FileRejected, RowParser, Rules, detect, read_records
from mailroom.invoices.model.columns import COLUMNS, ParsedInvoice

HEADER = ",".join(COLUMNS)
ROW = "A-1,2024-01-31,119.00,100.00,19.00,ACME Ltd,1 High St,EUR,open"


def rows_of(data: bytes, rules: Rules = Rules()) -> tuple[Dialect, list[ParsedInvoice]]:  # noqa: B008 - Rules is immutable
    dialect = detect(data, rules, complete=True)
    parser = RowParser(dialect, rules)
    rows = [parser.parse(record) for record in read_records([data], dialect, rules, offset=0, row=0)]
    assert all(isinstance(row, ParsedInvoice) for row in rows), rows
    return dialect, rows


@pytest.mark.parametrize(
    "above",
    [
        "Supplier invoices May 2024\n",
        '"Report" of May\n',
        'Report,,,\n"Printed on",01.06.2024\n\n',
        "ACME Ltd\n1 High St\nTotal: 3\n" * 5,
    ],
)
def test_a_title_above_the_header_is_passed_over(above):
    swapped = "invoiceNumber,invoiceDate,netAmount,vatAmount,grossAmount,supplierAddress,supplierName,currency,status"
    data = f"{above}{swapped}\nA-1,2024-05-01,100.00,19.00,119.00,1 High St,ACME Ltd,EUR,open\n".encode()
    dialect, [invoice] = rows_of(data)
    assert dialect.content_start == len(above) + len(swapped) + 1
    assert (str(invoice.net_amount), str(invoice.vat_amount), str(invoice.gross_amount)) == (
        "100.00",
        "19.00",
        "119.00",
    )
    assert (invoice.supplier_name, invoice.supplier_address) == ("ACME Ltd", "1 High St")


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (
            f"Laskunumero,Päivä,Veroton,Alv,Yhteensä,Osoite,Toimittaja,Valuutta,Tila\n{ROW}\n",
            "header.missing_column",
            "Laskunumero",
        ),
        (
            f"Supplier invoices\nLaskunumero,Päivä,Veroton,Alv,Yhteensä,Osoite,Nimi,Valuutta,Tila\n{ROW}\n",
            "header.",
            "",
        ),
        (f"{ROW.replace('EUR', 'open')}\n{ROW}\n", "header.missing", "currency"),
        (f"{ROW.replace('119.00', '')}\n{ROW}\n", "header.missing", "grossAmount"),
        (f"{ROW.replace('ACME Ltd', '')}\n{ROW}\n", "header.missing", "supplierName"),
    ],
)
def test_without_a_header_the_first_row_must_be_valid_in_every_column(text, code, says):
    with pytest.raises(FileRejected) as refused:
        detect(text.encode(), Rules(), complete=True)
    assert refused.value.code.startswith(code)
    assert says in refused.value.message


SUPPLIERS = {
    "cp1250": "Łódź Żółw Sp. z o.o.",
    "cp1251": "ООО Рога и копыта",
    "cp1253": "Αθήνα ΑΕ",
    "cp1254": "Güneş İnşaat A.Ş.",
    "cp1257": "Žalgiris UAB Šiauliai",
    "cp850": "Müller Gärtner Straße",
    "mac_roman": "Müller & Söhne Straße",
    "koi8_r": "ООО Рога и копыта",
    "gbk": "北京公司",
    "shift_jis": "株式会社ソ表",
    "cp949": "주식회사 서울",
    "big5": "台北公司",
}


@pytest.mark.parametrize("encoding", SUPPLIERS)
def test_another_encoding_than_cp1252_is_refused_until_the_setting_names_it(encoding):
    data = f"{HEADER}\n{ROW.replace('ACME Ltd', SUPPLIERS[encoding])}\n".replace(",", "|").encode(encoding)
    with pytest.raises(FileRejected, match="IMPORT_ENCODING") as refused:
        detect(data, Rules(), complete=True)
    assert refused.value.code == "file.encoding"
    _, [invoice] = rows_of(data, Rules(encoding=encoding))
    assert invoice.supplier_name == SUPPLIERS[encoding]


@pytest.mark.parametrize(
    "name",
    [
        "Müller & Söhne, Straße 1 – „Köln“", "Société Générale à l’œuvre", "Señor Núñez S.L. ¿y?", "Açores, João São",
        "Città perché no", "Ærø Færge Åbenrå", "Jyväskylän Öljy Oy", "Þórður hf. Reykjavík", "MÜLLER ÄÖÜ GMBH",
        "100 m² à 5 € ±1 °C", "Rés-do-chão 1ª Nº 2", "Can Foix, Sant Julià d’Alçà",
    ],
)  # fmt: skip
def test_western_european_text_in_cp1252_is_read(name):
    row = ROW.replace("ACME Ltd", f'"{name}"')
    dialect, [invoice] = rows_of(f"{HEADER}\n{row}\n".encode("cp1252"))
    assert (dialect.encoding, invoice.supplier_name) == ("cp1252", name)


def test_a_head_that_ends_inside_a_word_is_no_reason_to_refuse_it():
    head = f"{HEADER}\n{ROW}\nA-2,2024-01-31,119.00,100.00,19.00,Müller y Compañ".encode("cp1252")  # ía
    assert detect(head, Rules(), complete=False).encoding == "cp1252"


def test_spaces_before_a_quoted_field_are_no_part_of_it():
    _, [invoice] = rows_of(f'{HEADER}\nA-1, 2024-01-31, 119.00, 100.00, 19.00, "ACME, Ltd", "x", EUR, open\n'.encode())
    assert (invoice.supplier_name, invoice.supplier_address) == ("ACME, Ltd", "x")


@pytest.mark.parametrize(
    ("quoted", "other", "read"),
    [
        (r'"Size 8\" GmbH, Ulm"', r"A\B Handel", (r'Size 8" GmbH, Ulm', r"A\B Handel")),
        (r'"Size 8\" GmbH, Ulm"', r"\\server\share", (r'Size 8" GmbH, Ulm', r"\\server\share")),
        (r'"Size 8\" GmbH, Ulm"', r"A\\B", (r'Size 8" GmbH, Ulm', r"A\B")),
    ],
)
def test_a_backslash_that_escapes_nothing_stays(quoted, other, read):
    rows = [ROW.replace("ACME Ltd", quoted), ROW.replace("A-1", "A-2").replace("ACME Ltd", other)]
    _, invoices = rows_of("\n".join([HEADER, *rows, ""]).encode())
    assert tuple(invoice.supplier_name for invoice in invoices) == read


def test_the_first_line_of_an_export_of_myob_is_no_json():
    header = "Invoice No.\tDate\tSupplier\tInc-Tax Amount\tGST Amount\tCurrency"
    rules = Rules(aliases={"Inc-Tax Amount": "grossAmount"})
    for line_end in ("\r\n", "\n"):
        lines = ["{}", header, "00000012\t31/01/2024\tBlue Co\t$110.00\t$10.00\tAUD", ""]
        _, [invoice] = rows_of(line_end.join(lines).encode(), rules)
        assert (invoice.invoice_number, str(invoice.net_amount)) == ("00000012", "100.00")
