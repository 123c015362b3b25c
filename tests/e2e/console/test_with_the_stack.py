"""The console within the whole stack: the ways in and out, and a file on its way through the pages."""

from __future__ import annotations

import secrets

from local.client import Client
from tests.e2e.console.conftest import PREFIX, ConsoleOfStack
from tests.integration.invoices.files import csv, line
from tests.support.browser import violations
from tests.support.waiting import eventually


def test_an_uploaded_file_is_in_the_list_and_in_the_figures(console_stack: ConsoleOfStack, client: Client) -> None:
    page, name = console_stack.page, f"console/<b>{secrets.token_hex(4)}</b>.csv"
    client.upload(name, csv(line(secrets.token_hex(6))))
    eventually(lambda: client.get("invoices/imports", key=name, state="done")["items"], what="the import")

    page.get_by_role("link", name="Files", exact=True).click()
    row = page.get_by_role("row", name=name)
    assert "done" in row.inner_text()
    assert violations(page) == []

    page.get_by_role("link", name="Overview").click()
    page.wait_for_load_state("networkidle")
    assert page.get_by_text("Computed at").count() >= 1


def test_a_link_of_make_local_signs_in_once(console_stack: ConsoleOfStack) -> None:
    page, watch = console_stack.page, console_stack.watch
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You have signed out.").wait_for()
    link = console_stack.stack.console_link()
    for expected in ("Overview", "Sign in"):
        page.goto(link)
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", level=1, name=expected, exact=True).wait_for()
        watch.expect("422")
    assert "has been used" in page.inner_text("main")


def test_the_cookie_of_a_session_that_was_left_opens_nothing(console_stack: ConsoleOfStack) -> None:
    page = console_stack.page
    cookies = page.context.cookies()
    assert {(each["path"], each["httpOnly"], each["sameSite"]) for each in cookies} == {(PREFIX, True, "Strict")}
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You have signed out.").wait_for()

    def refused() -> bool:  # a replica trusts what it read of a key for two seconds
        page.context.add_cookies(cookies)  # type: ignore[arg-type]
        page.goto(f"{console_stack.url}/files")
        return page.url.startswith(f"{console_stack.url}/sign-in")

    eventually(refused, 10, what="the end of the session")
