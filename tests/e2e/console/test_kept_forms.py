"""The session ends while somebody writes: they sign in in another tab, and send what they wrote."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.console import sample
from tests.support.browser import EVERY_LOOK, Watch, check_readable, look
from tests.support.fake_api import KEY, FakeApi
from tests.support.mail_sample import ID

TEXT = "\n\nDear Bob,\n" + "this took an hour. " * 20


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"java_script_enabled": request.param}


def write(page: Page, console: str) -> None:
    page.goto(f"{console}/mail/write")
    page.get_by_label("To", exact=True).fill("bob@example.com")
    page.get_by_label("Subject").fill("Hello")
    page.locator("#text").fill(TEXT)


def again(page: Page, title: str) -> None:
    page.get_by_role("button", name="Send again").click()
    page.get_by_text(title).wait_for()


def test_what_was_written_is_sent_after_a_new_sign_in(
    signed_in: Page, watch: Watch, console: str, api: FakeApi
) -> None:
    sample.fill_mail(api)
    api.answer("POST notifications", {"id": ID, "test": False}, 202)
    watch.expect("40")
    write(signed_in, console)
    api.sessions.clear()
    signed_in.get_by_role("button", name="Send").click()
    signed_in.get_by_text("Your session has ended.").wait_for()

    with signed_in.expect_popup() as opened:
        signed_in.get_by_role("link", name="Sign in").click()
    opened.value.get_by_label("API key").fill(KEY)
    opened.value.get_by_role("main").get_by_role("button", name="Sign in").click()
    opened.value.get_by_role("heading", level=1, name="Overview").wait_for()
    assert api.calls("POST notifications") == []

    again(signed_in, "This form belongs to an earlier session")
    assert signed_in.get_by_label("text", exact=True).input_value() == TEXT
    assert api.calls("POST notifications") == []
    again(signed_in, "The message was accepted.")
    [call] = api.calls("POST notifications")
    assert call.json() == {"emailTo": ["bob@example.com"], "subject": "Hello", "text": TEXT, "priority": "normal"}


class TestHowItLooks:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {}

    @EVERY_LOOK
    def test_nothing_serious_hinders_anybody(
        self, signed_in: Page, watch: Watch, console: str, api: FakeApi, scheme: str, width: int
    ) -> None:
        sample.fill_mail(api)
        watch.expect("40")
        look(signed_in, width, scheme)
        write(signed_in, console)
        api.sessions.clear()
        signed_in.get_by_role("button", name="Send").click()
        signed_in.get_by_text("Your session has ended.").wait_for()
        check_readable(signed_in, "without a session")
        signed_in.goto(f"{console}/sign-in")
        signed_in.get_by_label("API key").fill(KEY)
        signed_in.get_by_role("main").get_by_role("button", name="Sign in").click()
        write(signed_in, console)
        signed_in.locator("main [name=csrf_token]").evaluate("token => { token.value = 'old' }")
        signed_in.get_by_role("button", name="Send").click()
        signed_in.get_by_text("This form belongs to an earlier session").wait_for()
        check_readable(signed_in, "in another session")
