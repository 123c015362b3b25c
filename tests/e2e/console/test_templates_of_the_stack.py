"""A template within the whole stack: made, edited beside its preview, tried, and put back."""

from __future__ import annotations

import secrets

from local.client import Client
from tests.e2e.console.conftest import ConsoleOfStack
from tests.support.browser import violations
from tests.support.waiting import eventually


def test_a_template_is_made_edited_beside_its_preview_tried_and_put_back(
    console_stack: ConsoleOfStack, client: Client
) -> None:
    page, name, number = console_stack.page, f"reminder-{secrets.token_hex(4)}", secrets.token_hex(4)
    preview = page.frame_locator("#preview iframe")
    page.get_by_role("link", name="Mail", exact=True).click()
    page.get_by_role("link", name="Templates", exact=True).click()
    page.get_by_role("link", name="New template").click()
    page.get_by_text("Write a subject and a text").wait_for()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Subject").fill("Invoice {{ number }} is due")
    page.get_by_label("HTML").fill("<h1>Hello {{ name }}</h1>")
    page.get_by_text("the template needs number").wait_for()
    page.get_by_label("Values to try").fill(f'{{"name": "Anna", "number": "{number}"}}')
    preview.get_by_role("heading", name="Hello Anna").wait_for()
    page.get_by_role("button", name="Make the template").click()
    page.get_by_text(f"The template {name} was made.").wait_for()

    # A stored template is shown with a value for each of its names. A change is a new version.
    preview.get_by_role("heading", name="Hello [name]").wait_for()
    page.get_by_label("HTML").fill("<h1>Dear {{ name }}</h1>")
    preview.get_by_role("heading", name="Dear [name]").wait_for()
    page.get_by_role("button", name="Save as a new version").click()
    page.get_by_text("Saved as version 2.").wait_for()
    assert violations(page) == []

    # A test of it arrives, as the preview shows it.
    page.get_by_label("Values to try").fill(f'{{"name": "Berta", "number": "{number}"}}')
    preview.get_by_role("heading", name="Dear Berta").wait_for()
    page.get_by_label("To", exact=True).fill("berta@example.com")
    page.get_by_role("button", name="Send the test").click()
    page.get_by_text("The test was accepted and is sent to berta@example.com now.").wait_for()
    subject = f"Invoice {number} is due"

    def arrived() -> list[str]:
        return [each["id"] for each in client.messages() if each["subject"] == subject]

    [id] = eventually(arrived, what="the test")
    assert "<h1>Dear Berta</h1>" in client.message(id)["html"]

    # The first version can be put back.
    page.goto(f"{console_stack.url}/mail/templates/named/{name}/versions")
    page.get_by_role("link", name="Version 1").click()
    preview.get_by_role("heading", name="Hello [name]").wait_for()
    page.get_by_role("button", name="Put this version back").click()
    page.get_by_text("Version 1 was put back, as version 3.").wait_for()
    assert client.get(f"notifications/templates/{name}")["html"] == "<h1>Hello {{ name }}</h1>"
