"""A decision whose form was sent twice: the second answer says that it was done, not that it failed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fake_api import FakeApi
from tests.support.mail_sample import ID, message
from tests.unit.console.conftest import PREFIX, Browser
from tests.unit.console.test_files import an_import

IMPORT = "a" * 24


class TestMessages:
    @pytest.mark.parametrize(
        ("action", "status", "text"),
        [
            ("cancel", "cancelled", "The message was cancelled already."),
            ("resend", "queued", "The message was queued already."),
            ("resend", "sending", "The message is being sent already."),
        ],
    )
    def test_it_was_done_already(self, browser: Browser, api: FakeApi, action: str, status: str, text: str) -> None:
        api.answer(f"GET notifications/{ID}", message(status))
        api.refuse(f"POST notifications/{ID}/{action}", 409, "notification.state", "it cannot be done")
        page = f"/mail/{ID}/{action}"
        assert browser.submit(page, page).location == f"{PREFIX}/mail/{ID}"
        shown = browser.get(f"/mail/{ID}").text
        assert f'<p class="notice done" role="status">{text}</p>' in shown
        assert "Nothing was done" not in shown

    def test_what_was_handed_over_meanwhile_was_not_cancelled(self, browser: Browser, api: FakeApi) -> None:
        api.answer(f"GET notifications/{ID}", message("queued"))
        api.refuse(f"POST notifications/{ID}/cancel", 409, "notification.state", "it cannot be cancelled")
        page = f"/mail/{ID}/cancel"
        browser.submit(page, page)
        assert "Nothing was done: it cannot be cancelled." in browser.get(f"/mail/{ID}").text

    def test_a_message_that_is_erased_is_gone(self, browser: Browser, api: FakeApi) -> None:
        api.scopes.append("notifications:erase")
        api.answer("GET notifications", {"items": [], "nextCursor": None})
        api.answer("GET notifications/figures/messages", {"counts": {}, "mostCounted": 0, "computedAt": "x"})
        api.answer(f"GET notifications/{ID}", message("sent"))
        page = f"/mail/{ID}/erase"
        api.refuse(f"DELETE notifications/{ID}", 404, "notification.unknown", "there is no such notification")
        assert browser.submit(page, page).location == f"{PREFIX}/mail"
        assert "There is no such message any more." in browser.get("/mail").text


class TestImports:
    @pytest.mark.parametrize(
        ("action", "state", "text"),
        [
            ("cancel", "cancelled", "The import was cancelled already."),
            ("retry", "pending", "The import goes on already."),
            ("retry", "running", "The import goes on already."),
            ("retry", "done", "The import is done already."),
            ("undo", "undone", "The import is being undone already."),
        ],
    )
    def test_it_was_done_already(self, browser: Browser, api: FakeApi, action: str, state: str, text: str) -> None:
        shown = self.after(browser, api, action, state)
        assert f'<p class="notice done" role="status">{text}</p>' in shown
        assert "Nothing was done" not in shown

    @pytest.mark.parametrize(
        ("action", "state"), [("cancel", "done"), ("retry", "undone"), ("undo", "cancelled"), ("undo", "done")]
    )
    def test_what_the_state_forbids_was_not_done(self, browser: Browser, api: FakeApi, action: str, state: str) -> None:
        assert "Nothing was done: its state forbids it." in self.after(browser, api, action, state)

    def after(self, browser: Browser, api: FakeApi, action: str, state: str) -> str:
        """The page of the import after a decision that the API refused."""
        answers: dict[str, Any] = {"": an_import(state, rejected=0), "/undo": {"deletes": 1, "leaves": 0}}
        for path, answer in answers.items():
            api.answer(f"GET invoices/imports/{IMPORT}{path}", answer)
        api.refuse(f"POST invoices/imports/{IMPORT}/{action}", 409, "import.state", "its state forbids it")
        page = f"/files/imports/{IMPORT}/{action}"
        assert browser.submit(page, page).location == f"{PREFIX}/files/imports/{IMPORT}"
        return browser.get(f"/files/imports/{IMPORT}").text
