"""A page that asks again by itself goes on after the functions did not answer for a while."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.console.sample import FILE
from tests.support.browser import Watch
from tests.support.fake_api import FakeApi
from tests.support.slow import others_slow

IMPORT = f"GET invoices/imports/{FILE}"


@pytest.mark.parametrize("status", others_slow([429, 503], 503))
def test_the_progress_of_an_import_goes_on(
    signed_in: Page, watch: Watch, console: str, api: FakeApi, status: int
) -> None:
    watch.expect(str(status))
    found = api.answers[IMPORT][2]
    api.answer(IMPORT, found | {"state": "running"})
    signed_in.goto(f"{console}/files/imports/{FILE}")
    expect(signed_in.get_by_role("progressbar")).to_be_visible()
    api.refuse(IMPORT, status, "service.unavailable", "not now", retry_after=1)
    for _ in range(2):
        with signed_in.expect_response(lambda answer: answer.status == status):
            pass
    expect(signed_in.get_by_role("progressbar")).to_be_visible()
    api.answer(IMPORT, found | {"state": "cancelled"})
    expect(signed_in.locator("#progress")).to_contain_text("cancelled")
