"""Amounts that a file does not state, and values that a preset gives once for all rows."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.invoices.files import Dialect, FileRejected, Rejected, RowParser, Rules, detect, read_records
from mailroom.invoices.files.values.derived import complete
from mailroom.invoices.files.values.rates import read_rate
from mailroom.invoices.model.columns import COLUMNS, ParsedInvoice
from mailroom.invoices.model.texts import BadValue

TEXTS = {"invoiceNumber": "A-1", "invoiceDate": "2024-01-31", "supplierName": "Acme", "currency": "EUR"}


def read(data: str, rules: Rules = Rules()) -> tuple[Dialect, list[ParsedInvoice | Rejected]]:  # noqa: B008 - immutable
    dialect = detect(data.encode(), rules, complete=True)
    records = read_records([data.encode()], dialect, rules, offset=0, row=0)
    return dialect, [RowParser(dialect, rules).parse(record) for record in records]


def file_of(*rows: dict[str, str], without: str = "") -> str:
    """A file with a header, of rows with the same columns."""
    lines = [{name: text for name, text in (TEXTS | row).items() if name != without} for row in rows]
    return "".join(";".join(cells) + "\n" for cells in (lines[0].keys(), *(line.values() for line in lines)))


def only(data: str, rules: Rules = Rules()) -> ParsedInvoice:  # noqa: B008 - immutable
    [invoice] = read(data, rules)[1]
    assert isinstance(invoice, ParsedInvoice), invoice
    return invoice


def faults(data: str, rules: Rules = Rules()) -> list[tuple[str | None, str]]:  # noqa: B008 - immutable
    [row] = read(data, rules)[1]
    assert isinstance(row, Rejected), row
    return [(error.column, error.code) for error in row.errors]


def amounts(gross: str = "", net: str = "", vat: str = "", rate: str | None = None) -> dict[str, str]:
    """All three columns."""
    cells = {"grossAmount": gross, "netAmount": net, "vatAmount": vat}
    return cells if rate is None else cells | {"vatRate": rate}


@pytest.mark.parametrize(
    ("stated", "wanted", "derived"),
    [
        ({"grossAmount": "119.00", "netAmount": "100.00"}, ("119.00", "100.00", "19.00"), ("vatAmount",)),
        ({"grossAmount": "119.00", "vatAmount": "19.00"}, ("119.00", "100.00", "19.00"), ("netAmount",)),
        ({"netAmount": "100.00", "vatAmount": "19.00"}, ("119.00", "100.00", "19.00"), ("grossAmount",)),
        ({"netAmount": "100.00", "vatRate": "19"}, ("119.00", "100.00", "19.00"), ("grossAmount", "vatAmount")),
        ({"netAmount": "0.50", "vatRate": "19 %"}, ("0.60", "0.50", "0.10"), ("grossAmount", "vatAmount")),
        ({"netAmount": "-0.50", "vatRate": "19%"}, ("-0.60", "-0.50", "-0.10"), ("grossAmount", "vatAmount")),
        ({"grossAmount": "119.00", "vatRate": "19,0"}, ("119.00", "100.00", "19.00"), ("netAmount", "vatAmount")),
        ({"grossAmount": "1.01", "vatRate": "1"}, ("1.01", "1.00", "0.01"), ("netAmount", "vatAmount")),
        ({"grossAmount": "-119.00", "netAmount": "-100.00"}, ("-119.00", "-100.00", "-19.00"), ("vatAmount",)),
        ({"grossAmount": "19.00", "vatAmount": "19.00"}, ("19.00", "0.00", "19.00"), ("netAmount",)),
        ({"grossAmount": "5.00", "netAmount": "5.00"}, ("5.00", "5.00", "0.00"), ("vatAmount",)),
        (amounts("119.00", "100.00"), ("119.00", "100.00", "19.00"), ("vatAmount",)),
        (amounts("119.00", vat="19.00"), ("119.00", "100.00", "19.00"), ("netAmount",)),
        (amounts(net="100.00", vat="19.00"), ("119.00", "100.00", "19.00"), ("grossAmount",)),
        (amounts("119.00", rate="19"), ("119.00", "100.00", "19.00"), ("netAmount", "vatAmount")),
        (amounts(net="100.00", rate="19"), ("119.00", "100.00", "19.00"), ("grossAmount", "vatAmount")),
        (amounts("119.00", "100.00", rate="7"), ("119.00", "100.00", "19.00"), ("vatAmount",)),
        (amounts("119.00", "100.00", "19.00", rate="reverse charge"), ("119.00", "100.00", "19.00"), ()),
    ],
)
def test_amounts_are_derived_from_those_that_determine_them(stated, wanted, derived):
    invoice = only(file_of(stated))
    assert (str(invoice.gross_amount), str(invoice.net_amount), str(invoice.vat_amount)) == wanted
    assert invoice.derived == derived
    assert invoice.extra == ({"vatRate": stated["vatRate"]} if "vatRate" in stated else {})


def test_amounts_have_the_digits_of_their_currency():
    yen = only(file_of({"netAmount": "105", "vatRate": "10", "currency": "JPY"}))
    assert (str(yen.gross_amount), str(yen.vat_amount)) == ("116", "11")
    dinar = only(file_of({"grossAmount": "1.234", "vatRate": "5", "currency": "KWD"}), Rules(decimal_mark="."))
    assert (str(dinar.net_amount), str(dinar.vat_amount)) == ("1.175", "0.059")


@pytest.mark.parametrize(
    ("stated", "errors"),
    [
        (amounts("119.00"), [("netAmount", "amount.empty"), ("vatAmount", "amount.empty")]),
        (amounts(vat="19.00", rate="19"), [("grossAmount", "amount.empty"), ("netAmount", "amount.empty")]),
        (amounts("x", "100.00"), [("grossAmount", "amount.not_a_number")]),
        (amounts("120.00", "100.00", "19.00", rate="20"), [("grossAmount", "amount.sum")]),
        ({"grossAmount": "", "netAmount": "100.00"}, [("grossAmount", "amount.empty")]),
        ({"netAmount": "", "vatRate": "19"}, [("netAmount", "amount.empty")]),
        ({"netAmount": "100.00", "vatRate": ""}, [("vatRate", "rate.empty")]),
        ({"grossAmount": "90.00", "netAmount": "100.00"}, [("vatAmount", "amount.derived")]),
        ({"grossAmount": "-90.00", "netAmount": "-100.00"}, [("vatAmount", "amount.derived")]),
        ({"grossAmount": "100.00", "netAmount": "-100.00"}, [("vatAmount", "amount.derived")]),
        ({"grossAmount": "201.00", "netAmount": "100.00"}, [("vatAmount", "amount.derived")]),
        ({"netAmount": "100.00", "vatRate": "0.19"}, [("vatRate", "rate.ambiguous")]),
        ({"netAmount": "100.00", "vatRate": "standard"}, [("vatRate", "rate.invalid")]),
        ({"netAmount": "999999999999999.00", "vatRate": "19"}, [("grossAmount", "amount.too_large")]),
    ],
)
def test_what_does_not_determine_the_amounts_is_refused(stated, errors):
    assert faults(file_of(stated)) == errors


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("19", 190000), ("19%", 190000), ("19 %", 190000), ("19,0 %", 190000), ("19.00", 190000), (" 7 ", 70000),
        ("8.875", 88750), ("8,8125%", 88125), ("0", 0), ("0%", 0), ("0.00", 0), ("1", 10000),
        ("0.9 %", 9000), ("100", 1000000),
    ],
)  # fmt: skip
def test_rates_that_are_read(text, rate):
    assert read_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "rate.empty"), ("0.19", "rate.ambiguous"), ("0,2", "rate.ambiguous"), ("-19", "rate.invalid"),
        ("101", "rate.invalid"), ("100.01", "rate.invalid"), ("1900", "rate.invalid"), ("19.00000", "rate.invalid"),
        ("19%%", "rate.invalid"), ("% 19", "rate.invalid"),
        ("\u0661\u0669", "rate.invalid"), ("VAT 19", "rate.invalid"),
    ],
)  # fmt: skip
def test_rates_that_are_refused(text, code):
    rate = read_rate(text)
    assert isinstance(rate, BadValue)
    assert rate.code == code


cents = st.integers(-(10**14), 10**14).map(lambda units: Decimal(units).scaleb(-2))


@given(cents, st.integers(0, 100 * 10**4))
def test_vat_is_rounded_half_up_to_the_cent(amount, rate):
    part = Decimal(rate) / 1_000_000
    gross, net, vat = complete(None, amount, None, rate)
    assert (net, vat) == (amount, (amount * part).quantize(Decimal("0.01"), ROUND_HALF_UP))
    assert gross == net + vat
    gross, net, vat = complete(amount, None, None, rate)
    assert (gross, net + vat) == (amount, amount)
    assert abs(vat - amount * part / (1 + part)) <= Decimal("0.005") + Decimal(10) ** -12


CONSTANTS = {
    "invoiceDate": ("2024-02-01", "2024-02-01"),
    "supplierName": ("Other Ltd", "Other Ltd"),
    "supplierAddress": ("1 High St", "1 High St"),
    "currency": ("usd", "USD"),
    "status": ("open", "open"),
    "grossAmount": ("119", "119.00"),
    "vatRate": ("19", None),
}


@pytest.mark.parametrize("column", CONSTANTS)
def test_a_constant_is_the_value_of_a_column_that_the_file_lacks(column):
    text, wanted = CONSTANTS[column]
    stated = {"netAmount": "100.00"} if column == "vatRate" else {"netAmount": "100.00", "vatAmount": "19.00"}
    invoice = only(file_of(stated, without=column), Rules(constants={column: text}))
    field = dict(zip(COLUMNS, invoice.__struct_fields__, strict=False)).get(column)
    assert wanted is None or str(getattr(invoice, field)) == wanted
    assert (str(invoice.gross_amount), str(invoice.vat_amount)) == ("119.00", "19.00")


def test_a_constant_fills_empty_cells_and_no_others():
    rules = Rules(constants={"currency": "GBP", "supplierName": "Other Ltd"})
    stated = {"grossAmount": "119.00", "netAmount": "100.00"}
    data = file_of(stated, stated | {"currency": " ", "supplierName": ""})
    found = [(each.currency, each.supplier_name) for each in read(data, rules)[1] if isinstance(each, ParsedInvoice)]
    assert found == [("EUR", "Acme"), ("GBP", "Other Ltd")]


def test_gross_alone_is_enough_with_a_constant_rate():
    assert only(file_of({"grossAmount": "50.00"}), Rules(constants={"vatRate": "0"})).net_amount == Decimal("50.00")
    with pytest.raises(FileRejected) as refused:
        read(file_of({"grossAmount": "50.00"}))
    assert (refused.value.code, refused.value.column) == ("header.missing_column", "netAmount")
    assert '{"vatRate": "19"}' in refused.value.message


@pytest.mark.parametrize(
    ("column", "text", "says"),
    [
        ("currency", "XX", "ISO 4217"),
        ("currency", "$", "USD"),
        ("currency", "", "empty"),
        ("supplierName", " ", "empty"),
        ("invoiceDate", "01/02/2024", "IMPORT_DATE_ORDER"),
        ("vatRate", "0.19", "per cent"),
        ("status", "lost", "allowed status"),
        ("netAmount", "much", "amount"),
        ("invoiceNumber", "A", "not one of"),
        ("lineNet", "1", "not one of"),
    ],
)
def test_a_constant_that_cannot_be_read_refuses_the_file(column, text, says):
    rules = Rules(constants={column: text}, statuses=frozenset({"open"}))
    with pytest.raises(FileRejected) as refused:
        read(file_of({"grossAmount": "119.00", "netAmount": "100.00"}), rules)
    assert refused.value.code == "constants.invalid"
    assert f"constants.{column}" in refused.value.message
    assert says in refused.value.message


def test_what_is_missing_says_what_to_do():
    with pytest.raises(FileRejected) as refused:
        read("Number;Date;Gross;Net;Note\nA-1;2024-01-31;1.00;1.00;x\n")
    assert refused.value.code == "header.missing_column"
    for said in ("supplierName, currency", "preset", "constant", "IMPORT_ALIASES", '{"supplierName": "Acme Ltd"}'):
        assert said in refused.value.message


@pytest.mark.parametrize("shipping", ["5.00", "-5,00"])
def test_an_empty_amount_is_not_derived_from_net_in_a_row_with_shipping(shipping: str):
    row = {"grossAmount": "124.00", "netAmount": "100.00", "vatAmount": "", "Shipping": shipping}
    assert faults(file_of(row)) == [("vatAmount", "amount.derived")]


@pytest.mark.parametrize("shipping", ["", "0", "0.00"])
def test_a_row_without_shipping_is_derived_beside_others_with_it(shipping: str):
    row = {"grossAmount": "119.00", "netAmount": "100.00", "vatAmount": "", "Shipping": shipping}
    assert only(file_of(row)).derived == ("vatAmount",)
