"""The operator's night: the relay is down, a message waits, the relay is back, the message is sent."""

from __future__ import annotations

import secrets

from playwright.sync_api import Page

from local.client import Client
from tests.e2e.console.conftest import ConsoleOfStack
from tests.support.browser import violations
from tests.support.waiting import eventually


def write(page: Page, console: str, to: str, subject: str) -> str:
    """Writes a message by the form. Returns its id."""
    page.goto(f"{console}/mail/write")
    page.get_by_label("To", exact=True).fill(to)
    page.get_by_label("Subject").fill(subject)
    page.locator("#text").fill("Hello,\n\nthe relay was down.")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("heading", level=1, name=subject).wait_for()
    return page.url.rpartition("/")[2].partition("?")[0]


def test_while_the_relay_is_down_a_message_is_found_and_sent_afterwards(
    console_stack: ConsoleOfStack, client: Client
) -> None:
    page, url, stack = console_stack.page, console_stack.url, console_stack.stack
    subject, address = f"night {secrets.token_hex(4)}", f"{secrets.token_hex(4)}@example.com"
    stack.stop("inbox")
    try:
        id = write(page, url, address, subject)
        eventually(lambda: client.get(f"notifications/{id}")["attempts"], what="an attempt")

        # The operator finds it by its recipient, and reads why it waits and what the relay said.
        page.get_by_role("link", name="Mail", exact=True).click()
        page.get_by_label("Recipient").fill(address)
        page.get_by_role("button", name="Filter").click()
        row = page.get_by_role("row", name=subject)
        assert "waiting" in row.inner_text()
        assert "1 waiting" in " ".join(page.get_by_role("navigation", name="By status").inner_text().split())
        row.get_by_role("link", name=subject).click()
        assert "the relay did not answer" in page.get_by_text("Why it waits:").locator("..").inner_text().lower()
        attempt = page.locator(".timeline > li").first
        assert "CONNECT" in attempt.inner_text()
        assert "no answer" in attempt.inner_text()
        assert violations(page) == []

        # They cancel it: nobody is to get it in the middle of the night.
        page.get_by_role("link", name="Cancel message").click()
        assert f"It is not sent to 1 recipient: {address}." in page.inner_text("main")
        page.get_by_role("button", name="Cancel message").click()
        page.get_by_text("The message was cancelled.").wait_for()
        page.go_back()
        page.get_by_role("button", name="Cancel message").click()
        page.get_by_text("The message was cancelled already.").wait_for()
    finally:
        stack.start("inbox")

    page.get_by_role("link", name="Resend").click()
    assert f"It is sent again to 1 recipient: {address}." in page.inner_text("main")
    page.get_by_role("button", name="Resend").click()
    page.get_by_text("The message was queued again.").wait_for()

    def sent() -> bool:
        page.reload()
        return page.locator(".headline .badge").first.inner_text() == "sent"

    eventually(sent, what="the mail")
    assert "taken by the relay" in page.inner_text("main")
    assert [each["subject"] for each in client.messages()].count(subject) == 1
    page.get_by_role("link", name="Source").click()
    assert f"Subject: {subject}" in page.locator("pre.mail").inner_text()

    # An address that is suppressed gets nothing, until it is taken off the list.
    page.get_by_role("link", name="Suppressions").click()
    page.locator("#new-address").fill(address)
    page.get_by_role("button", name="Add").click()
    page.get_by_text(f"{address} gets no mail from now on.").wait_for()
    page.get_by_role("link", name=f"Remove {address}").click()
    page.get_by_role("button", name="Remove the entry").click()
    page.get_by_text(f"The entry for {address} was removed.").wait_for()

    # At last, everything of this person is erased.
    page.goto(f"{url}/mail?emailTo={address}")
    page.get_by_role("link", name=f"Erase all mail to {address}").click()
    assert f"1 message to {address} is erased" in page.inner_text("main")
    page.get_by_role("button", name="Erase all of it").click()
    page.get_by_text("1 message was erased.").wait_for()
    assert client.get("notifications", emailTo=address)["items"] == []
