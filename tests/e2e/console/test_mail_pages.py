"""The pages of mail in a browser: readable by all, at each width, in light and dark."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.e2e.console import sample
from tests.support.browser import EVERY_LOOK, check_pages
from tests.support.fake_api import FakeApi
from tests.support.mail_sample import ID

PATHS = (
    "/mail",
    f"/mail/{ID}",
    f"/mail/{ID}?form=source",
    f"/mail/{ID}/cancel",
    "/mail/write",
    "/mail/write?use_template=1",
    "/mail/suppressions",
)


@EVERY_LOOK
def test_nothing_serious_hinders_anybody(signed_in: Page, console: str, api: FakeApi, scheme: str, width: int) -> None:
    sample.fill_mail(api)
    check_pages(signed_in, console, PATHS, width, scheme)


def test_the_html_is_seen_in_its_frame(signed_in: Page, console: str, api: FakeApi) -> None:
    sample.fill_mail(api)
    signed_in.goto(f"{console}/mail/{ID}")
    assert signed_in.frame_locator("iframe.mail").get_by_role("heading", name="Hello Anna").is_visible()
