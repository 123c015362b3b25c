"""Invoices and keys within the whole stack: from the search to the row of the file, a status, an export; a key."""

from __future__ import annotations

import secrets

from playwright.sync_api import Page

from local.client import Client
from tests.e2e.console.conftest import ConsoleOfStack
from tests.integration.invoices.files import csv, line
from tests.support.browser import overflows, violations
from tests.support.waiting import eventually


def test_an_invoice_is_found_traced_to_its_row_changed_and_exported(
    console_stack: ConsoleOfStack, client: Client
) -> None:
    page, number, name = console_stack.page, secrets.token_hex(6), f"console/{secrets.token_hex(4)}.csv"
    supplier = f"Müller <b>& Söhne</b> {number}"
    client.upload(name, csv(line(f"{number}-1", supplier=supplier), line(f"{number}-2", supplier=supplier)))
    eventually(lambda: client.get("invoices/imports", key=name, state="done")["items"], what="the import")

    page.get_by_role("link", name="Invoices", exact=True).click()
    page.get_by_label("Supplier").fill(supplier.upper().replace("<B>", "<b>").replace("</B>", "</b>"))
    page.get_by_role("button", name="Search").click()
    totals = page.get_by_role("region", name="Totals of this selection").get_by_role("row", name="EUR")
    totals.wait_for()
    assert [totals.get_by_role("cell").nth(at).inner_text() for at in (1, 4)] == ["2", "238.00\u00a0EUR"]
    assert violations(page) == []

    page.get_by_text("Export this selection").click()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    text = started.value.path().read_text(encoding="utf-8-sig")
    assert (started.value.suggested_filename, text.count(number)) == ("invoices.csv", 4)
    assert text.endswith(("\r\n\r\n", "\n\n"))

    page.get_by_role("link", name=f"{number}-2").click()
    page.get_by_role("heading", name="as it is in the file").wait_for()
    assert f"{number}-2,2024-01-31,119.00" in page.get_by_label("The text of the row").inner_text()
    assert not overflows(page)
    assert violations(page) == []
    page.get_by_label("New status").fill("paid")
    page.get_by_role("button", name="Set the status").click()
    page.get_by_text("The status is now “paid”.").wait_for()
    assert "set by hand" in page.inner_text("main")
    [found] = client.get("invoices/", supplier=supplier, invoiceNumber=f"{number}-2")["items"]
    assert found["status"] == "paid"

    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", level=1, name=name).wait_for()


def test_of_two_who_set_a_status_the_second_sees_what_the_first_did(
    console_stack: ConsoleOfStack, client: Client
) -> None:
    page, number, name = console_stack.page, secrets.token_hex(6), f"console/{secrets.token_hex(4)}.csv"
    client.upload(name, csv(line(number)))
    eventually(lambda: client.get("invoices/imports", key=name, state="done")["items"], what="the import")
    page.goto(f"{console_stack.url}/invoices?invoiceNumber={number}")
    page.get_by_role("link", name=number).click()
    other = page.context.new_page()
    other.goto(page.url)
    for each, status in ((other, "paid"), (page, "disputed")):
        console_stack.watch.expect("422")
        each.get_by_label("New status").fill(status)
        each.get_by_role("button", name="Set the status").click()
        each.wait_for_load_state()
    other.close()
    assert "has changed since you opened this page" in page.inner_text("main")
    page.get_by_role("button", name="Set the status").click()
    page.get_by_text("The status is now “disputed”.").wait_for()


def of_operator(console: ConsoleOfStack) -> Page:
    """The page, signed in by a link of the stack: its session may manage keys, which the stack's own key may not."""
    page = console.page
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You have signed out.").wait_for()
    page.goto(console.stack.console_link())
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", level=1, name="Overview").wait_for()
    return page


def test_a_key_is_made_used_and_revoked(console_stack: ConsoleOfStack) -> None:
    page, name = of_operator(console_stack), f"ledger {secrets.token_hex(4)}"
    page.get_by_role("link", name="Keys", exact=True).click()
    page.get_by_role("link", name="Make a key").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("see files, imports and invoices").check()
    page.get_by_role("button", name="Make the key").click()
    key = page.get_by_label("The key", exact=True).inner_text().strip()
    assert violations(page) == []
    own = Client(console_stack.stack.info | {"apiKey": key})
    assert "items" in own.get("invoices/imports")

    page.get_by_role("link", name="Back to the keys").click()
    assert key not in page.content()
    page.get_by_role("link", name=f"Revoke {name}").click()
    assert "1 scope: invoices:read" in page.inner_text("main")
    page.get_by_role("button", name="Revoke it").click()
    page.get_by_text("It is revoked.").wait_for()
    assert "revoked" in page.get_by_role("row", name=name).inner_text()


def test_the_health_of_the_stack_is_shown(console_stack: ConsoleOfStack) -> None:
    page = of_operator(console_stack)
    page.get_by_role("link", name="Health", exact=True).click()
    for name in ("Set-up", "Imports of files", "Sending of mail", "Bucket"):
        assert page.get_by_role("row", name=name).is_visible()
    assert violations(page) == []
