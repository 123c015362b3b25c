import calendar
from collections import defaultdict
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.invoices.files.values.dates import date_format, read_date
from mailroom.invoices.files.values.month_names import MONTHS, NAMES, UNCLEAR_MONTHS, folded
from mailroom.invoices.model.texts import BadValue

DAY = date(2024, 1, 31)


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("2024-12-31", "", date(2024, 12, 31)),
        ("2024-02-29", "", date(2024, 2, 29)),
        ("31.12.2024", "", date(2024, 12, 31)),
        ("1.2.2024", "mdy", date(2024, 2, 1)),
        ("31. 1. 2024", "", DAY),
        ("31/12/2024", "", date(2024, 12, 31)),
        ("12/31/2024", "", date(2024, 12, 31)),
        ("03/04/2024", "dmy", date(2024, 4, 3)),
        ("03/04/2024", "mdy", date(2024, 3, 4)),
        (" 2024-12-31 ", "", date(2024, 12, 31)),
        ("31-12-2024", "", date(2024, 12, 31)),
        ("03-04-2024", "dmy", date(2024, 4, 3)),
        ("3-4-2024", "mdy", date(2024, 3, 4)),
        ("2024/12/31", "", date(2024, 12, 31)),
        ("2024/3/4", "dmy", date(2024, 3, 4)),
        ("20240131", "", DAY),
        ("31.01.24", "", DAY),
        ("1.2.99", "mdy", date(1999, 2, 1)),
        ("31/01/24", "dmy", DAY),
        ("1/31/24", "", DAY),
        ("01/31/24", "", DAY),
        ("01-31-24", "", DAY),
        ("31/1/99", "", date(1999, 1, 31)),
        ("31-01-99", "", date(1999, 1, 31)),
        ("03/04/24", "mdy", date(2024, 3, 4)),
    ],
)
def test_dates_that_are_read(text, order, expected):
    assert read_date(text, order) == expected


@pytest.mark.parametrize(
    "text",
    [
        "31-Jan-2024", "31 January 2024", "Jan 31, 2024", "January 31 2024", "31/Jan/24", "31-JAN-24", "31jan2024",
        "31. Januar 2024", "31.Jan.2024", "31. Jan. 24", "31 janv. 2024", "31 de enero de 2024",
        "31 de janeiro de 2024", "31 gennaio 2024", "31 stycznia 2024 r.",
        "31st January 2024", "Jan 31st, 2024", "31st of January 2024",
        "2024-Jan-31", "2024 Jan 31", "Jan-31-2024", "Jan-31-24", "31\u00a0januari 2024", "31 Ja\u0308nner 2024",
    ],
)  # fmt: skip
def test_months_may_have_names(text):
    assert read_date(text, "") == DAY
    assert date_format(text).startswith("month name")


@pytest.mark.parametrize(
    "time",
    [" 10:15", " 10:15:00", "T10:15:00Z", "T23:59:59.999+02:00", " 00:30:00 -0500", " 9:15 PM", " 11:00:00 p.m."],
)  # fmt: skip
@pytest.mark.parametrize("day", ["2024-01-31", "31.01.2024", "31/01/2024", "31-Jan-2024", "20240131"])
def test_the_day_that_is_written_counts_whatever_the_time(day, time):
    assert read_date(day + time, "") == DAY
    assert date_format(day + time) == date_format(day)


@pytest.mark.parametrize(("pivot", "text", "year"), [
    (70, "69", 2069), (70, "70", 1970), (0, "24", 1924), (100, "99", 2099), (30, "30", 1930), (30, "29", 2029),
])  # fmt: skip
def test_the_pivot_tells_the_century(pivot, text, year):
    for written in (f"31.01.{text}", f"31/Jan/{text}"):
        assert read_date(written, "", pivot) == date(year, 1, 31)
    assert read_date(f"31/01/{text}", "dmy", pivot) == date(year, 1, 31)


@pytest.mark.parametrize(("text", "expected"), [("3101", DAY), ("0102", date(2024, 2, 1)), ("102", date(2024, 2, 1))])
def test_a_date_may_have_no_year_if_the_file_says_it(text, expected):
    assert read_date(text, "", first_day=date(2024, 1, 1)) == expected
    fault = read_date(text, "")
    assert isinstance(fault, BadValue)
    assert fault.code == "date.invalid"
    assert date_format(text) == ""


@pytest.mark.parametrize(
    ("text", "order", "code"),
    [
        ("", "", "date.empty"),
        ("03/04/2024", "", "date.ambiguous"),
        ("03-04-2024", "", "date.ambiguous"),
        ("01/02/03", "", "date.ambiguous"),
        ("31/01/24", "", "date.ambiguous"),  # or the year 2031
        ("24-01-31", "", "date.ambiguous"),
        ("24-01-31", "dmy", "date.ambiguous"),
        ("31-01-24", "dmy", "date.ambiguous"),
        ("01-02-03", "mdy", "date.ambiguous"),
        ("99-12-31", "", "date.ambiguous"),
        ("99/12/31", "dmy", "date.invalid"),
        ("12/31/2024", "dmy", "date.invalid"),
        ("31/12/2024", "mdy", "date.invalid"),
        ("31-12-2024", "mdy", "date.invalid"),
        ("2023-02-29", "", "date.invalid"),
        ("31.11.2024", "", "date.invalid"),
        ("20240231", "", "date.invalid"),
        ("31012024", "", "date.out_of_range"),
        ("20112024", "", "date.invalid"),
        ("45322", "", "date.invalid"),
        ("2024-W01-5", "", "date.invalid"),
        ("2024-1-5", "", "date.invalid"),
        ("2024-01", "", "date.invalid"),
        ("Jan 2024", "", "date.invalid"),
        ("Jan-24", "", "date.invalid"),
        ("May 20-24", "", "date.invalid"),
        ("31-Foo-2024", "", "date.invalid"),
        ("31-Ja-2024", "", "date.invalid"),
        ("30-Feb-2024", "", "date.invalid"),
        ("31-Jan-024", "", "date.invalid"),
        ("31 listopada 2024", "", "date.ambiguous"),
        ("30-lis-2024", "", "date.ambiguous"),
        ("2024-01-31 10", "", "date.invalid"),
        ("10:15:00", "", "date.invalid"),
        ("\u0662\u0660\u0662\u0664-\u0660\u0661-\u0660\u0665", "", "date.invalid"),
        ("1899-12-31", "", "date.out_of_range"),
        ("2201-01-01", "", "date.out_of_range"),
        ("31-Jan-1899", "", "date.out_of_range"),
        (" " * 100 + "x" * 200_000, "", "date.invalid"),
    ],
)
def test_dates_that_are_refused(text, order, code):
    fault = read_date(text, order)
    assert isinstance(fault, BadValue)
    assert fault.code == code


def test_no_name_is_taken_that_means_two_months():
    months = defaultdict(set)
    for names in NAMES.values():
        assert len(names.split(",")) == 12
        for month, spellings in enumerate(names.split(","), 1):
            for name in spellings.split():
                months[folded(name)].add(month)
    assert {name: found for name, found in months.items() if len(found) > 1} == {}
    assert months.keys() == MONTHS.keys() | UNCLEAR_MONTHS
    assert {"lip", "lis", "listopad", "listopada"} == UNCLEAR_MONTHS  # June and October in Croatian


def test_the_names_are_those_of_english_too():
    for month in range(1, 13):
        assert MONTHS[calendar.month_name[month].lower()] == MONTHS[calendar.month_abbr[month].lower()] == month


ORDERS = {"dmy": ("{d:02}{s}{m:02}{s}{y}", "{d}{s}{m}{s}{y}"), "mdy": ("{m:02}{s}{d:02}{s}{y}", "{m}{s}{d}{s}{y}")}


@st.composite
def written_dates(draw: st.DrawFn) -> tuple[date, str, str]:
    """A day, a text for it, and the order that somebody who knows the file would set."""
    day = draw(st.dates(date(1900, 1, 1), date(2200, 12, 31)))
    short = draw(st.booleans()) and 1970 <= day.year <= 2069
    year = f"{day.year % 100:02}" if short else str(day.year)
    order = draw(st.sampled_from(["dmy", "mdy"]))
    language = draw(st.sampled_from(sorted(NAMES)))
    name = draw(st.sampled_from(NAMES[language].split(",")[day.month - 1].split()))
    name = draw(st.sampled_from([name, name.upper(), name.capitalize()]))
    forms = [
        *(form.format(d=day.day, m=day.month, y=year, s=mark) for mark in "/-" for form in ORDERS[order]),
        *(form.format(d=day.day, m=day.month, y=year, s=".") for form in ORDERS["dmy"]),
        *(f"{day.day}{mark}{name}{mark}{year}" for mark in (" ", "-", "/", ". ", " de ")),
        f"{name} {day.day}, {day.year}",
        f"{day:%d}{name}{year}",
        day.isoformat(),
        f"{day.year}/{day:%m/%d}",
        f"{day.year}{day:%m%d}",
    ]
    return day, draw(st.sampled_from(forms)) + draw(st.sampled_from(["", " 10:15:00", "T23:59:59Z"])), order


@given(written_dates())
def test_every_date_is_read_exactly_or_refused(case):
    day, text, order = case
    known, unknown = read_date(text, order), read_date(text, "")
    assert known == day or (isinstance(known, BadValue) and known.code == "date.ambiguous"), (text, known)
    assert unknown == day or isinstance(unknown, BadValue), (text, unknown)


@given(st.text("0123456789-/. :TJanFebMaiMar,", max_size=14))
def test_what_is_read_without_an_order_is_right_in_one(text):
    found = read_date(text, "")
    if isinstance(found, date):
        assert found in (read_date(text, "dmy"), read_date(text, "mdy"))
