"""The pages of invoices: the search, the totals, the export, one invoice and its status."""

from __future__ import annotations

import gzip

import pytest

from tests.support.console_answers import IMPORT_ID, INVOICE_ID, KEY_ID, OTHER_IMPORT_ID, invoice, source, total
from tests.support.fake_api import FakeApi
from tests.unit.console.conftest import PREFIX, Browser

LIST, TOTALS, EXPORT = "GET invoices/", "GET invoices/totals", "GET invoices/export"
ONE, CHANGE, SOURCE = f"GET invoices/{INVOICE_ID}", f"PATCH invoices/{INVOICE_ID}", f"GET invoices/{INVOICE_ID}/source"
STATUSES, IMPORT = "GET invoices/statuses", f"GET invoices/imports/{IMPORT_ID}"
PAGE, SET = f"/invoices/{INVOICE_ID}", f"/invoices/{INVOICE_ID}/status"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def answers(api: FakeApi) -> None:
    api.answer(LIST, {"items": [invoice()], "nextCursor": "next"})
    api.answer(TOTALS, {"items": [total()], "nextCursor": None})
    api.answer(ONE, invoice(), ETag='"seen-gzip"')
    api.answer(
        IMPORT, {"id": IMPORT_ID, "key": "acme/mai.csv", "createdAt": "2024-05-30T08:00:00.000Z", "versionId": "v1"}
    )
    api.answer(STATUSES, {"allowed": []})
    api.answer(SOURCE, source())


def test_the_filters_are_those_of_the_api_and_stay(browser: Browser, api: FakeApi) -> None:
    text = browser.get(
        "/invoices?invoiceNumber=RE-1&supplier=+Acme+&currency=eur&dateFrom=2024-05-01&sort=invoiceDate"
    ).text
    asked = api.calls(LIST)[-1].query
    assert asked == {
        "invoiceNumber": "RE-1",
        "supplier": "Acme",
        "currency": "EUR",
        "dateFrom": "2024-05-01",
        "sort": "invoiceDate",
        "limit": "50",
    }
    assert 'value="Acme"' in text
    query = "invoiceNumber=RE-1&amp;supplier=Acme&amp;currency=eur&amp;dateFrom=2024-05-01&amp;sort=invoiceDate"
    assert f"{PREFIX}/invoices?cursor=next&amp;{query}" in text
    assert f'hx-get="{PREFIX}/invoices/totals?{query}"' in text
    assert f"{PREFIX}{PAGE}" in text


def test_a_day_is_sent_as_its_beginning(browser: Browser, api: FakeApi) -> None:
    browser.get("/invoices?updatedSince=2024-05-01")
    assert api.calls(LIST)[-1].query["updatedSince"] == "2024-05-01T00:00:00Z"


def test_filters_that_do_not_go_together_are_named_where_they_are(browser: Browser, api: FakeApi) -> None:
    api.refuse(LIST, 422, "query.unserved", "currency cannot be combined with status", field="currency")
    answer = browser.get("/invoices?status=open&currency=EUR")
    assert answer.status_code == 422
    assert 'id="currency-error">currency cannot be combined with status' in answer.text
    assert 'value="open"' in answer.text


def test_nothing_found_says_what_to_do(browser: Browser, api: FakeApi) -> None:
    api.answer(LIST, {"items": [], "nextCursor": None})
    assert "No invoice fits" in browser.get("/invoices?supplier=x").text
    assert "Upload a CSV file" in browser.get("/invoices").text


def test_the_totals_are_of_the_same_selection(browser: Browser, api: FakeApi) -> None:
    part = browser.get("/invoices/totals?supplier=Acme&sort=invoiceDate", **HTMX).text
    assert api.calls(TOTALS)[-1].query == {"supplier": "Acme", "by": "currency"}
    assert "<html" not in part
    assert "12\u202f345.60\u00a0EUR" in part
    page = browser.get("/invoices/totals?supplier=Acme&by=month").text
    assert api.calls(TOTALS)[-1].query["by"] == "month"
    assert "<html" in page


def test_too_many_invoices_to_sum_leave_the_list(browser: Browser, api: FakeApi) -> None:
    api.refuse(TOTALS, 422, "totals.too_many", "these are too many invoices to sum: narrow the dates")
    answer = browser.get("/invoices/totals", **HTMX)
    assert (answer.status_code, "narrow the dates" in answer.text) == (200, True)


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_an_export_is_passed_on_with_the_session_and_no_key_in_the_url(
    browser: Browser, api: FakeApi, accepted: str
) -> None:
    file = b'"invoiceNumber"\r\n"RE-1"\r\n\r\n' * 50_000
    kind = {"Content_Type": "text/csv; charset=utf-8", "Content_Disposition": 'attachment; filename="invoices.csv"'}
    api.answer(EXPORT, gzip.compress(file), Content_Encoding="gzip", **kind)
    answer = browser.get(
        "/invoices/export?format=csv&columns=all&supplier=Acme&cursor=", **{"Accept-Encoding": accepted}
    )
    assert answer.headers["Content-Disposition"] == 'attachment; filename="invoices.csv"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    sent = gzip.decompress(answer.data) if accepted == "gzip" else answer.data
    assert sent == file
    [asked] = api.calls(EXPORT)
    assert asked.query == {"supplier": "Acme", "format": "csv", "columns": "all"}
    assert asked.headers["Authorization"].startswith("Bearer session-")


def test_an_export_that_breaks_off_is_no_whole_file(browser: Browser, api: FakeApi) -> None:
    api.answer(EXPORT, b"RE-1\r\n", Content_Length="1000", Connection="close")
    with pytest.raises(Exception, match="IncompleteRead"):
        browser.get("/invoices/export")


def test_an_invoice_shows_where_it_came_from_and_what_changed_it(browser: Browser, api: FakeApi) -> None:
    text = browser.get(PAGE).text
    assert f'href="{PREFIX}/files/imports/{IMPORT_ID}">acme/mai.csv' in text
    assert "worked out, not in the file" in text
    assert "By the import of the file that it came from." in text
    assert f'hx-get="{PREFIX}{PAGE}/source"' in text

    edited = {"keyId": KEY_ID, "at": "2024-06-01T10:00:00.000Z"}
    api.answer(ONE, invoice(edited=edited, changedBy=KEY_ID), ETag='"x"')
    assert f"set by hand, with the key {KEY_ID}" in browser.get(PAGE).text

    api.answer(f"GET invoices/imports/{OTHER_IMPORT_ID}", {"id": OTHER_IMPORT_ID, "key": "acme/juni.csv"})
    api.answer(ONE, invoice(changedBy=OTHER_IMPORT_ID), ETag='"x"')
    assert "acme/juni.csv" in browser.get(PAGE).text


def test_an_invoice_outlives_its_import(browser: Browser, api: FakeApi) -> None:
    api.refuse(IMPORT, 404, "import.not_found", "there is no import with this id")
    assert "Its import is not kept any more." in browser.get(PAGE).text


def test_the_row_is_shown_as_it_is_in_the_file(browser: Browser, api: FakeApi) -> None:
    api.answer(SOURCE, source("<b>RE-1</b>;1.190,00"))
    part = browser.get(f"{PAGE}/source", **HTMX).text
    assert "&lt;b&gt;RE-1&lt;/b&gt;;1.190,00" in part
    assert "Nord" in part
    assert "<html" in browser.get(f"{PAGE}/source").text


def test_a_row_of_a_file_that_is_gone(browser: Browser, api: FakeApi) -> None:
    api.refuse(SOURCE, 404, "source.gone", "gone")
    answer = browser.get(f"{PAGE}/source", **HTMX)
    assert (answer.status_code, "not in the bucket any more" in answer.text) == (200, True)


def test_a_status_is_set_on_what_was_seen(browser: Browser, api: FakeApi) -> None:
    api.answer(CHANGE, invoice(status="paid"))
    answer = browser.submit(PAGE, SET, etag='"seen-gzip"', status="paid")
    assert (answer.status_code, answer.location) == (303, f"{PREFIX}{PAGE}")
    [asked] = api.calls(CHANGE)
    assert (asked.json(), asked.headers["If-Match"]) == ({"status": "paid"}, '"seen-gzip"')
    assert "The status is now “paid”." in browser.get(PAGE).text


def test_the_form_holds_the_tag_of_what_is_shown(browser: Browser) -> None:
    assert 'name="etag" value="&#34;seen-gzip&#34;"' in browser.get(PAGE).text


def test_a_change_by_somebody_else_is_not_overwritten(browser: Browser, api: FakeApi) -> None:
    api.refuse(CHANGE, 412, "invoice.changed", "the invoice has changed: read it again", field="If-Match")
    answer = browser.submit(PAGE, SET, etag='"old"', status="paid")
    assert answer.status_code == 422
    assert "has changed since you opened this page" in answer.text
    assert "seen-gzip" in answer.text


def test_a_status_that_was_set_by_the_first_of_two_clicks(browser: Browser, api: FakeApi) -> None:
    api.refuse(CHANGE, 412, "invoice.changed", "the invoice has changed: read it again", field="If-Match")
    assert browser.submit(PAGE, SET, etag='"old"', status="open").status_code == 303


def test_a_status_is_chosen_from_those_that_are_allowed(browser: Browser, api: FakeApi) -> None:
    api.answer(STATUSES, {"allowed": ["open", "paid"]})
    assert '<option value="paid">' in browser.get(PAGE).text
    api.refuse(CHANGE, 422, "status.unknown", "'x' is not an allowed status", field="status")
    answer = browser.submit(PAGE, SET, etag='"seen"', status="x")
    assert answer.status_code == 422
    assert "is not an allowed status" in answer.text


def test_who_may_only_read_sees_no_form(browser: Browser, api: FakeApi) -> None:
    api.scopes[:] = ["invoices:read"]
    text = browser.get(PAGE).text
    assert SET not in text
    assert api.calls(STATUSES) == []
    api.scopes[:] = ["notifications:read"]
    for path in ("/invoices", PAGE, "/invoices/export", "/invoices/totals", f"{PAGE}/source"):
        assert browser.get(path).status_code == 403
    assert api.calls(EXPORT) == []


@pytest.mark.parametrize("id", ["imports", "keys", "x", "A" * 24, "a" * 25])
def test_what_is_no_id_is_no_invoice(browser: Browser, api: FakeApi, id: str) -> None:
    api.answer("GET invoices/imports", {"items": [], "nextCursor": None})
    api.answer("GET invoices/keys", {"items": [], "nextCursor": None})
    for path in (f"/invoices/{id}", f"/invoices/{id}/source", f"/keys/{id}/revoke"):
        assert browser.get(path).status_code in (403, 404)
