"""The pages of templates and webhooks in a browser: readable by all, and no template leaves its frame."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.console import template_sample
from tests.e2e.console.template_sample import DELIVERY, ESCAPES, HOOK
from tests.support.attacker import PREVENTED, Attacker, click
from tests.support.browser import EVERY_LOOK, Watch, check_pages
from tests.support.fake_api import FakeApi
from tests.support.hostile_mail import BODIES, bodies
from tests.support.slow import others_slow

EDITOR, WEBHOOK = "/mail/templates/named/invoice-reminder", f"/mail/webhooks/{HOOK}"
PREVIEW = "POST notifications/templates/invoice-reminder/preview"
PATHS = (
    "/mail/templates",
    "/mail/templates/new",
    EDITOR,
    f"{EDITOR}/versions",
    f"{EDITOR}/versions/3",
    f"{EDITOR}/end",
    "/mail/webhooks",
    "/mail/webhooks/new",
    WEBHOOK,
    f"{WEBHOOK}/change",
    f"{WEBHOOK}/rotate",
    f"{WEBHOOK}/remove",
    f"{WEBHOOK}/deliveries/{DELIVERY}",
)


def preview(html: str | None, **others: Any) -> dict[str, Any]:
    return {"name": "invoice-reminder", "version": 0, "subject": "Hello", "html": html, "text": None} | others


@pytest.fixture
def page_of_templates(signed_in: Page, api: FakeApi) -> Page:
    template_sample.fill(api)
    api.answer(PREVIEW, preview("<h1>Hello Anna</h1>"))
    api.answer("POST notifications/templates/new-template/preview", preview("<h1>Hello Anna</h1>"))
    return signed_in


@EVERY_LOOK
def test_nothing_serious_hinders_anybody(page_of_templates: Page, console: str, scheme: str, width: int) -> None:
    check_pages(page_of_templates, console, PATHS, width, scheme)


def test_the_preview_follows_what_is_typed_and_saves_nothing(
    page_of_templates: Page, console: str, api: FakeApi
) -> None:
    page = page_of_templates
    page.goto(f"{console}{EDITOR}")
    frame = page.frame_locator("#preview iframe")
    frame.get_by_role("heading", name="Hello Anna").wait_for()
    api.answer(PREVIEW, preview("<h1>Hello Berta</h1>"))
    page.get_by_label("HTML").fill("<h1>Hello {{ name }}</h1>")
    frame.get_by_role("heading", name="Hello Berta").wait_for()
    assert api.calls(PREVIEW)[-1].json()["content"]["html"] == "<h1>Hello {{ name }}</h1>"

    api.refuse(PREVIEW, 422, "template.invalid", "html: line 1: unexpected end", field="content.html")
    page.get_by_label("HTML").fill("<h1>Hello {{")
    page.get_by_text("line 1: unexpected end").wait_for()
    assert page.get_by_label("HTML").input_value() == "<h1>Hello {{"

    # A preview is no page to go back to, and Enter in a field neither saves nor sends.
    page.get_by_label("To", exact=True).press("Enter")
    assert {each.method for each in api.asked if each.path.startswith("notifications")} == {"GET", "POST"}
    assert api.calls("POST notifications") == []
    page.go_back()
    assert page.url == f"{console}/"


@pytest.mark.parametrize("name", others_slow(BODIES, "script", "events", "frames"))
def test_a_hostile_template_does_nothing(
    page_of_templates: Page, watch: Watch, console: str, api: FakeApi, attacker: Attacker, name: str
) -> None:
    page, body = page_of_templates, bodies(attacker.url)[name]
    for text in (*PREVENTED, attacker.url):
        watch.expect(text)
    stored = template_sample.template() | {"html": body, "subject": body.replace("\n", " ")[:300]}
    api.answer("GET notifications/templates/invoice-reminder", stored)
    api.answer(PREVIEW, preview(body, subject=stored["subject"], text=body))
    for path in (f"{EDITOR}/versions/3", EDITOR):
        page.goto(f"{console}{path}")
        page.locator("#preview iframe").wait_for()
        page.wait_for_load_state("networkidle")
        assert attacker.connections == [], "looking was told"
    assert page.get_by_label("HTML").input_value().strip()[:50] == body.strip()[:50]
    click(page, attacker)


class TestWithoutScripts:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"java_script_enabled": False}

    def test_a_button_shows_the_preview_in_its_frame(
        self, page_of_templates: Page, watch: Watch, console: str, api: FakeApi
    ) -> None:
        page = page_of_templates
        for text in (*PREVENTED, "https://evil.example"):
            watch.expect(text)
        api.answer(PREVIEW, preview(ESCAPES))
        for path in (EDITOR, f"{EDITOR}/versions/3"):
            page.goto(f"{console}{path}")
            page.get_by_role("button", name="Preview").click()
            page.frame_locator("iframe").get_by_text("Hello Anna").wait_for()
            assert page.url == f"{console}{path}"

    def test_a_webhook_is_added_and_its_secret_shown(self, page_of_templates: Page, console: str, api: FakeApi) -> None:
        page = page_of_templates
        made = template_sample.webhook() | {"secret": "whsec_new"}  # pragma: allowlist secret
        api.answer("POST notifications/webhooks", made, 201)
        page.goto(f"{console}/mail/webhooks")
        page.get_by_role("link", name="Add a webhook").click()
        page.get_by_label("Address").fill("https://shop.example/hooks")
        page.get_by_label("a mail bounced").check()
        page.get_by_role("button", name="Add and show the secret").click()
        assert page.get_by_text("whsec_new").is_visible()
        [call] = api.calls("POST notifications/webhooks")
        assert call.json()["events"] == ["notification.bounced"]
