"""A link in a mail or on another site: the browser follows it without our cookies."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.support.fake_api import CODE, FakeApi


def follow(page: Page, url: str) -> None:
    """Clicks on the link on a page of nobody's."""
    page.goto("about:blank")
    page.set_content(f'<a href="{url}">Look</a>')
    page.click("a")


def test_it_leads_a_person_who_has_signed_in_to_its_page(signed_in: Page, console: str) -> None:
    follow(signed_in, f"{console}/files?state=failed&key=a%22%26%25b")
    expect(signed_in.get_by_role("heading", level=1)).to_have_text("Files")
    expect(signed_in.get_by_label("Name of the file")).to_have_value('a"&%b')
    signed_in.goto(f"{console}/")
    expect(signed_in.get_by_role("button", name="Sign out")).to_be_visible()


def test_it_leads_a_stranger_to_the_sign_in(page: Page, console: str) -> None:
    follow(page, f"{console}/files?state=failed")
    page.wait_for_url(f"{console}/sign-in?next=/files?state%3Dfailed")


def test_it_signs_in_a_person_whose_session_has_ended(signed_in: Page, console: str, api: FakeApi) -> None:
    api.sessions.clear()
    follow(signed_in, f"{console}/enter?code={CODE}")
    signed_in.get_by_role("main").get_by_role("button", name="Sign in").click()
    signed_in.wait_for_url(f"{console}/")
