"""Files of the APIs that are passed on: what a person does with them harms no other call."""

from __future__ import annotations

import pytest

from tests.support.console_answers import IMPORT_ID
from tests.support.fake_api import FakeApi
from tests.unit.console.conftest import Browser

REJECTS = f"invoices/imports/{IMPORT_ID}/rejects.csv"
CHUNK = 64 * 1024


@pytest.mark.parametrize(
    ("page", "path"),
    [(f"/files/imports/{IMPORT_ID}/rejects.csv", REJECTS), ("/invoices/export", "invoices/export")],
)
def test_a_download_that_is_stopped_leaves_the_next_call_alone(
    browser: Browser, api: FakeApi, page: str, path: str
) -> None:
    """The API goes on sending: its connection serves no other call."""
    api.answer("GET invoices/keys", {"items": [], "nextCursor": None})
    api.scopes.append("keys:manage")
    api.answer(f"GET {path}", b"x" * CHUNK, Content_Length="1000000", Content_Type="text/csv")
    answer = browser.get(page)
    assert next(iter(answer.iter_encoded())) == b"x" * CHUNK
    answer.close()
    assert browser.get("/keys").status_code == 200


def test_a_refusal_that_breaks_off_is_an_outage(browser: Browser, api: FakeApi) -> None:
    api.answer("GET invoices/export", b"{", 422, Content_Length="1000", Connection="close")
    assert browser.get("/invoices/export").status_code == 503
