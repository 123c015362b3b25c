"""The pages of mail in a browser: readable by all, at each width, in light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.console import sample
from tests.support.browser import overflows, violations
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


@pytest.mark.parametrize("width", [360, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_hinders_anybody(signed_in: Page, console: str, api: FakeApi, scheme: Any, width: int) -> None:
    sample.fill_mail(api)
    signed_in.set_viewport_size({"width": width, "height": 900})
    signed_in.emulate_media(color_scheme=scheme)
    for path in PATHS:
        answer = signed_in.goto(f"{console}{path}")
        assert answer is not None
        assert answer.ok, path
        signed_in.wait_for_load_state("networkidle")
        signed_in.eval_on_selector_all("main details", "all => all.forEach(each => each.open = true)")
        assert violations(signed_in) == [], path
        assert not overflows(signed_in), path


def test_the_html_is_seen_in_its_frame(signed_in: Page, console: str, api: FakeApi) -> None:
    sample.fill_mail(api)
    signed_in.goto(f"{console}/mail/{ID}")
    assert signed_in.frame_locator("iframe.mail").get_by_role("heading", name="Hello Anna").is_visible()
