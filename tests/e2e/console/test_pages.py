"""Every page in a browser: readable by all, at each width, in light and dark, and nothing on it runs."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route

from tests.e2e.console.sample import FILE, HOSTILE
from tests.support.browser import EVERY_LOOK, SCHEMES, Watch, check_pages, check_readable, look
from tests.support.console_answers import INVOICE_ID, KEY_ID
from tests.support.fake_api import FakeApi

INVOICE = f"/invoices/{INVOICE_ID}"
PATHS = (
    *("/", "/files", "/files?state=failed", "/nowhere", "/figures/invoices"),
    *("/invoices", "/invoices?currency=EUR", "/invoices/totals?by=month", INVOICE, f"{INVOICE}/source"),
    *("/keys", "/keys/new", f"/keys/{KEY_ID}/revoke", "/health"),
)
FILE_PATHS = (
    "/files/upload",
    "/files/check?bucket=invoices&key=x",
    f"/files/imports/{FILE}",
    f"/files/imports/{FILE}/undo",
    f"/files/imports/{FILE}/versions",
    f"/files/imports/{FILE}/force",
)


def settle(page: Page) -> None:
    """Waits until every part of the page is there."""
    page.wait_for_load_state("networkidle")


@EVERY_LOOK
def test_nothing_serious_hinders_anybody(signed_in: Page, watch: Watch, console: str, scheme: str, width: int) -> None:
    watch.expect("404")
    check_pages(signed_in, console, (*PATHS, *FILE_PATHS), width, scheme, missing="/nowhere")


@pytest.mark.parametrize("path", ["/sign-in", "/enter?code=x"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_way_in_hinders_nobody(page: Page, console: str, path: str, scheme: str) -> None:
    look(page, 360, scheme)
    page.goto(f"{console}{path}")
    check_readable(page, path)


def test_hostile_names_are_shown_as_they_are(signed_in: Page, console: str) -> None:
    for path in (
        "/",
        "/files",
        "/files/check?bucket=b&key=x",
        f"/files/imports/{FILE}",
        "/invoices",
        INVOICE,
        "/keys",
        "/health",
    ):
        signed_in.goto(f"{console}{path}")
        settle(signed_in)
        assert HOSTILE in signed_in.inner_text("main")


def test_each_figure_comes_after_the_page_and_says_when_it_was_computed(signed_in: Page, console: str) -> None:
    signed_in.goto(f"{console}/")
    settle(signed_in)
    assert signed_in.locator(".card").count() == 7
    assert signed_in.locator(".card", has_text="Computed at").count() == 5
    assert signed_in.locator(".uplot").count() == 2


def test_times_are_those_of_the_reader(signed_in: Page, console: str) -> None:
    signed_in.goto(f"{console}/files")
    time = signed_in.locator("time").first
    assert time.get_attribute("title") == "2024-05-01 08:30:00 UTC"
    assert "UTC" not in time.inner_text()


def test_the_keyboard_reaches_the_content_first(signed_in: Page, console: str) -> None:
    signed_in.goto(f"{console}/files")
    signed_in.keyboard.press("Tab")
    assert signed_in.evaluate("document.activeElement.textContent") == "Skip to the content"
    signed_in.keyboard.press("Enter")
    assert signed_in.evaluate("document.activeElement.id") == "main"


def test_a_figure_that_fails_says_so_in_its_place(signed_in: Page, watch: Watch, console: str, api: FakeApi) -> None:
    watch.expect("503")
    api.refuse("GET invoices/figures/waiting", 503, "service.unavailable", "MongoDB does not answer")
    signed_in.goto(f"{console}/")
    settle(signed_in)
    assert "Nothing was lost" in signed_in.inner_text("main")
    assert "48" in signed_in.inner_text("main")


class TestWithoutScripts:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"java_script_enabled": False}

    def test_everything_can_be_read(self, signed_in: Page, console: str, api: FakeApi) -> None:
        signed_in.goto(f"{console}/")
        signed_in.get_by_role("link", name="Show: Invoices by month").click()
        assert signed_in.get_by_role("heading", level=1).inner_text() == "Invoices by month"
        signed_in.goto(f"{console}/files")
        signed_in.get_by_label("State").select_option("failed")
        signed_in.get_by_role("button", name="Filter").click()
        assert api.calls("GET invoices/imports")[-1].query["state"] == "failed"
        signed_in.get_by_role("button", name="Sign out").click()
        assert signed_in.get_by_text("You have signed out.").is_visible()


def test_a_form_that_is_sent_again_while_it_is_on_its_way_is_sent_once(signed_in: Page, console: str) -> None:
    held = list[Route]()
    signed_in.goto(f"{console}/files")
    signed_in.route("**/sign-out", lambda route: held.append(route))
    # Twice, as a double click does, with time for the first request to leave.
    signed_in.get_by_role("button", name="Sign out").evaluate(
        "button => new Promise(done => { button.click(); setTimeout(() => { button.click(); setTimeout(done) }, 200) })"
    )
    for route in held:
        route.fulfill(status=204)
    signed_in.goto(f"{console}/files")
    assert len(held) == 1
