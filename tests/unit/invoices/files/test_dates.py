from datetime import date

import pytest

from mailroom.invoices.files.dates import read_date
from mailroom.invoices.model.texts import BadValue


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("2024-12-31", "", date(2024, 12, 31)),
        ("2024-02-29", "", date(2024, 2, 29)),
        ("31.12.2024", "", date(2024, 12, 31)),
        ("1.2.2024", "mdy", date(2024, 2, 1)),
        ("31/12/2024", "", date(2024, 12, 31)),
        ("12/31/2024", "", date(2024, 12, 31)),
        ("03/04/2024", "dmy", date(2024, 4, 3)),
        ("03/04/2024", "mdy", date(2024, 3, 4)),
        (" 2024-12-31 ", "", date(2024, 12, 31)),
    ],
)
def test_dates_that_are_read(text, order, expected):
    assert read_date(text, order) == expected


@pytest.mark.parametrize(
    ("text", "order", "code"),
    [
        ("", "", "date.empty"),
        ("03/04/2024", "", "date.ambiguous"),
        ("12/31/2024", "dmy", "date.invalid"),
        ("31/12/2024", "mdy", "date.invalid"),
        ("2023-02-29", "", "date.invalid"),
        ("31.11.2024", "", "date.invalid"),
        ("20240105", "", "date.invalid"),
        ("2024-W01-5", "", "date.invalid"),
        ("2024-1-5", "", "date.invalid"),
        ("\u0662\u0660\u0662\u0664-\u0660\u0661-\u0660\u0665", "", "date.invalid"),
        ("2024-01-05T00:00", "", "date.invalid"),
        ("31.12.24", "", "date.invalid"),
        ("1899-12-31", "", "date.out_of_range"),
        ("2201-01-01", "", "date.out_of_range"),
    ],
)
def test_dates_that_are_refused(text, order, code):
    fault = read_date(text, order)
    assert isinstance(fault, BadValue)
    assert fault.code == code
