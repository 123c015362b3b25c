import gzip
import io
import zipfile

import msgspec
import pytest

from mailroom.invoices.files import Dialect, FileRejected, Rules, detect
from mailroom.invoices.model.columns import COLUMNS

HEADER = ",".join(COLUMNS)
ROW = "A-1,2024-01-31,119.00,100.00,19.00,Ämter GmbH,Ort,EUR,open"


def found(text: str | bytes, rules: Rules = Rules()) -> Dialect:  # noqa: B008 - Rules is immutable
    data = text.encode() if isinstance(text, str) else text
    dialect = detect(data, rules, complete=True)
    assert msgspec.convert(msgspec.to_builtins(dialect), Dialect) == dialect
    return dialect


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("sep", [True, False])
def test_each_delimiter_is_found_with_and_without_header(delimiter, header, sep):
    lines = ([f"sep={delimiter}"] if sep else []) + ([HEADER] if header else []) + [ROW, ROW]
    text = "\r\n".join(lines).replace(",", delimiter)
    dialect = found(text)
    assert (dialect.delimiter, dialect.has_header, dialect.line_end) == (delimiter, header, "\r\n")
    assert dialect.columns == COLUMNS


@pytest.mark.parametrize(
    ("codec", "encoding"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16-le"), ("cp1252", "cp1252")],
)
def test_each_encoding_is_found(codec, encoding):
    assert found(f"{HEADER}\n{ROW}\n".encode(codec)).encoding == encoding


def test_one_damaged_line_does_not_make_a_utf8_file_cp1252():
    assert found(f"{HEADER}\n{ROW}\n".encode() + ROW.encode("cp1252")).encoding == "utf-8"


def test_a_gzip_file_is_detected_by_its_content():
    dialect = found(gzip.compress(f"{HEADER}\n{ROW}\n".encode()))
    assert (dialect.compression, dialect.content_start) == ("gzip", len(HEADER) + 1)


def test_a_semicolon_file_with_decimal_commas_is_detected():
    dialect = found("A-1;31.12.2024;1.190,00;1.000,00;190,00;Acme, Inc;Ort, Land;EUR;open\n")
    assert (dialect.delimiter, dialect.decimal_mark, dialect.has_header) == (";", ",", False)


def test_quotes_escaped_by_backslashes_are_detected():
    row = ROW.replace("Ämter GmbH", r'"Say \"hi\", Ltd"')
    assert found(f"{HEADER}\n{row}\n{row}\n").quoting == "backslash"
    assert found(f"{HEADER}\n{row}\n{row}\n".replace('\\"', '""')).quoting == "doubled"


def test_quotes_escaped_by_backslashes_are_detected_with_line_ends_in_every_row():
    row = 'A-1,2024-01-31,119.00,100.00,19.00,"A \\"B\\" GmbH","Weg 1\nOrt",EUR,open\n'
    dialect = found(row + row.replace("A-1", "A-2"))
    assert (dialect.delimiter, dialect.quoting) == (",", "backslash")


def test_header_names_are_matched_loosely_in_any_order():
    header = "Rechnungs-Nr.;RECHNUNGSDATUM;Brutto;Netto;MwSt.;Lieferant;Währung;_note;"
    columns = found(f"{header}\nA-1;31.12.2024;1,19;1,00;0,19;Acme;EUR;x;\n").columns
    assert columns == (*COLUMNS[:6], "currency", "", "")


def test_a_supplier_called_like_a_column_is_no_header():
    assert not found(ROW.replace("Ämter GmbH", "Netto")).has_header


def test_a_deployment_can_add_names():
    rules = Rules(aliases={"Our Ref": "invoiceNumber"})
    assert found(f"{HEADER.replace('invoiceNumber', 'OUR_REF')}\n{ROW}", rules).columns == COLUMNS


def test_extra_columns_are_kept():
    dialect = found(f"{HEADER},Cost Centre\n{ROW},4711\n", Rules())
    assert dialect.columns[-1] == "extra:Cost Centre"


@pytest.mark.parametrize("header", [f"{HEADER},colour", HEADER.replace("status", "colour")])
def test_extra_columns_can_be_refused(header):
    with pytest.raises(FileRejected, match="colour") as refused:
        detect(f"{header}\n".encode(), Rules(extra_columns="reject"), complete=True)
    assert refused.value.code == "header.unknown_column"


def archive() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("invoices.csv", HEADER)
    return target.getvalue()


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b"", "file.empty", "empty"),
        (b"\xef\xbb\xbf\r\n \r\n", "file.empty", "no content"),
        (gzip.compress(b"", mtime=0), "file.empty", "empty"),
        (bytes(range(256)) * 4, "file.binary", "binary"),
        (HEADER.encode("utf-16-le"), "file.binary", "byte order mark"),
        (f"{HEADER}\n".encode("utf-32"), "file.encoding", "UTF-32"),
        (b"a,b\x81\xff,c\nd,e,f\n", "file.encoding", "IMPORT_ENCODING"),
        (archive(), "file.unsupported_format", "ZIP"),
        (b"%PDF-1.7 ...", "file.unsupported_format", "PDF"),
        (b'<?xml version="1.0"?><Invoice/>', "file.unsupported_format", "XML"),
        (b'[{"invoiceNumber": 1}]', "file.unsupported_format", "JSON"),
        (b'{"invoices": []}', "file.unsupported_format", "JSON"),
        (gzip.compress(HEADER.encode(), mtime=0)[:-9], "file.gzip_corrupt", "early"),
        (b"\x1f\x8bnonsense", "file.gzip_corrupt", "damaged"),
        (b"just a letter\nto somebody\n", "file.not_csv", "comma"),
        (f"{HEADER},netto\n".encode(), "header.duplicate_column", "netto"),
        (HEADER.replace("currency,", "").encode(), "header.missing_column", "currency"),
        (b"alpha,beta,gamma\nx,y,z\n", "header.missing_column", "alpha"),
        (f"{HEADER},{'x' * 300}\n".encode(), "header.unknown_column", "too long"),
        (b"A-1,2024-01-31,119.00,100.00,19.00,Acme\n", "header.missing", "invoiceNumber"),
        (b'invoiceNumber,"open\n' + ROW.encode(), "header.malformed", "quote"),
        (("x," * 2000 + HEADER).encode(), "header.too_many_columns", "columns"),
        (ROW.replace("2024-01-31", "03/04/2024").encode(), "dialect.ambiguous_date", "IMPORT_DATE_ORDER"),
        (
            f"{ROW}\n{ROW}".replace("2024-01-31", "31/12/2024", 1).replace("2024-01-31", "12/31/2024").encode(),
            "dialect.ambiguous_date",
            "IMPORT_DATE_ORDER",
        ),
        (b"invoiceNumber;netto,brutto;vat,currency\n", "dialect.ambiguous_delimiter", "sep="),
    ],
)
def test_files_that_are_refused(data, code, says):
    with pytest.raises(FileRejected) as refused:
        detect(data, Rules(), complete=True)
    assert refused.value.code == code
    assert says in refused.value.message


def test_one_slashed_date_after_the_twelfth_proves_the_order():
    text = f"{ROW}\n{ROW}".replace("2024-01-31", "03/04/2024", 1).replace("2024-01-31", "25/04/2024")
    assert found(text).date_order == "dmy"


def test_amounts_that_contradict_each_other_prove_nothing():
    assert found(f"{ROW}\n{ROW.replace('119.00', chr(34) + '119,00' + chr(34))}").decimal_mark == ""
