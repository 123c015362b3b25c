"""The figures of the overview: each leads to what it counts, and months without invoices are a gap."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest

from mailroom.console.months import MOST_MONTHS, by_currency
from tests.support.fake_api import FakeApi
from tests.unit.console.conftest import PREFIX, Browser

AT, ID = "2024-05-31T10:00:00.000Z", "a" * 24
WAITING_FOR = {"code": "relay", "text": "The relay is down.", "since": None}


def month(name: str, currency: str = "EUR", count: int = 2, total: str = "1.50") -> dict[str, Any]:
    return {"month": name, "currency": currency, "count": count, "total": total}


def links(browser: Browser, figure: str) -> list[str]:
    part = browser.get(f"/figures/{figure}", **{"HX-Request": "true"})
    assert part.status_code == 200
    return [unescape(each).removeprefix(PREFIX) for each in re.findall(r'href="([^"]+)"', part.text)]


@pytest.mark.parametrize(("figure", "days"), [("today", 1), ("month", 30)])
def test_files_rows_and_states_lead_to_their_lists(browser: Browser, api: FakeApi, figure: str, days: int) -> None:
    states = {"done": 4, "failed": 1, "pending": 0}
    answer = {"days": days, "files": 5, "states": states, "rows": {"rows": 7}, "rejected": 2, "computedAt": AT}
    api.answer("GET invoices/figures/imports", answer)
    files, rows, rejected, failed = links(browser, figure)
    assert (files, rejected, failed) == ("/files", "/files?rejected=true", "/files?state=failed")
    since = datetime.fromisoformat(rows.partition("updatedSince=")[2])
    assert timedelta(0) <= datetime.now(UTC) - timedelta(days=days) - since < timedelta(minutes=5)
    api.answer("GET invoices/", {"items": [], "nextCursor": None})
    browser.get(rows)
    assert api.calls("GET invoices/")[-1].query["updatedSince"] == rows.partition("updatedSince=")[2]


def test_what_waits_leads_to_its_page_and_says_why(browser: Browser, api: FakeApi) -> None:
    oldest = {"id": ID, "key": "acme/mai.csv", "createdAt": AT, "waitingFor": WAITING_FOR}
    api.answer("GET invoices/figures/waiting", {"waiting": 3, "oldest": oldest, "computedAt": AT})
    assert links(browser, "waiting") == [f"/files/imports/{ID}", "/files?state=pending"]
    oldest = {"id": ID, "since": AT, "waitingFor": WAITING_FOR}
    counts = {"queued": 3, "sent": 7, "failed": 0}
    api.answer(
        "GET notifications/figures/messages",
        {"counts": counts, "mostCounted": 1000, "oldestWaiting": oldest, "computedAt": AT},
    )
    assert links(browser, "mail") == ["/mail?status=queued", "/mail?status=sent", f"/mail/{ID}"]
    assert "The relay is down." in browser.get("/figures/mail").text


def test_failures_lead_to_their_pages(browser: Browser, api: FakeApi) -> None:
    error = {"code": "file.unreadable", "message": "<no table>"}
    failed = {"id": ID, "key": "a.csv", "subject": "", "createdAt": AT, "error": error}
    api.answer("GET invoices/imports", {"items": [failed], "nextCursor": None})
    api.answer("GET notifications", {"items": [failed], "nextCursor": None})
    assert links(browser, "failures") == [f"/files/imports/{ID}", "/files?state=failed"]
    assert links(browser, "mail_failures") == [f"/mail/{ID}", "/mail?status=failed"]
    assert "&lt;no table&gt;" in browser.get("/figures/mail_failures").text


def test_the_table_of_a_month_leads_to_its_invoices(browser: Browser, api: FakeApi) -> None:
    api.answer("GET invoices/figures/invoices", {"items": [month("2024-02"), month("2024-04")], "computedAt": AT})
    assert links(browser, "invoices") == [
        "/invoices?currency=EUR&dateFrom=2024-02-01&dateTo=2024-02-29",
        "/invoices?currency=EUR&dateFrom=2024-04-01&dateTo=2024-04-30",
    ]
    text = unescape(browser.get("/figures/invoices").text)
    assert 'data-months="["2024-02", "2024-03", "2024-04"]"' in text
    assert 'data-totals="["1.50", "0", "1.50"]"' in text
    assert "<details open>" in text


def test_currencies_have_their_own_months() -> None:
    items = [month("2023-12"), month("2024-01", "USD"), month("2024-02"), month("2024-01", "EUR")]
    found = {currency: [each["month"] for each in months] for currency, months in by_currency(items)}
    assert found == {"EUR": ["2023-12", "2024-01", "2024-02"], "USD": ["2024-01"]}


def test_a_far_date_makes_no_endless_plot() -> None:
    [(_, months)] = by_currency([month("2024-01"), month("2024-03"), month("9999-12")])
    assert [each["month"] for each in months] == ["2024-01", "2024-02", "2024-03", "9999-12"]
    assert len(months) < MOST_MONTHS


def test_there_are_no_invoices_yet(browser: Browser, api: FakeApi) -> None:
    api.answer("GET invoices/figures/invoices", {"items": [], "computedAt": AT})
    assert "There are no invoices yet" in browser.get("/figures/invoices").text
