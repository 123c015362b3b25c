"""What people see when something is refused, missing or out of reach."""

from __future__ import annotations

import pytest

from mailroom.console.app import create_app
from mailroom.errors import InvalidSetting
from mailroom.platform.settings import Settings
from tests.support.fake_api import FakeApi
from tests.unit.console.conftest import PREFIX, Browser

LIST = "GET invoices/imports"


def test_a_page_that_there_is_not(browser: Browser) -> None:
    answer = browser.get("/nowhere/<script>")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert "<script>" not in answer.text.replace("<script defer", "")


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/sign-out", 405)])
def test_a_page_that_there_is_not_has_the_menu(browser: Browser, api: FakeApi, path: str, status: int) -> None:
    api.scopes[:] = ["notifications:read"]
    api.asked.clear()
    answer = browser.get(path)
    assert answer.status_code == status
    assert f'href="{PREFIX}/mail"' in answer.text
    assert f'href="{PREFIX}/files"' not in answer.text
    assert "Sign out" in answer.text
    assert [f"{each.method} {each.path}" for each in api.asked] == ["GET invoices/sessions/current"]


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_page_that_there_is_not_does_without_a_session(browser: Browser, api: FakeApi, status: int) -> None:
    api.refuse("GET invoices/sessions/current", status, "code", "no")
    answer = browser.get("/nowhere")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


def test_a_stranger_asks_no_api_for_a_page_that_there_is_not(stranger: Browser, api: FakeApi) -> None:
    assert stranger.get("/nowhere").status_code == 404
    assert api.asked == []


def test_a_session_that_has_ended_leads_to_the_sign_in(browser: Browser, api: FakeApi) -> None:
    api.sessions.clear()
    answer = browser.get("/files")
    assert (answer.status_code, answer.location) == (303, f"{PREFIX}/sign-in?next=/files")
    assert browser.cookie("mailroom-session") is None


def test_a_key_without_the_scope_sees_neither_the_page_nor_the_data(browser: Browser, api: FakeApi) -> None:
    api.scopes[:] = ["notifications:read"]
    answer = browser.get("/files")
    assert answer.status_code == 403
    assert "invoices:read" in answer.text
    assert api.calls(LIST) == []
    overview = browser.get("/").text
    assert f'href="{PREFIX}/files"' not in overview
    assert "/figures/today" not in overview
    assert "/figures/mail" in overview


def test_a_scope_that_the_api_misses_is_named(browser: Browser, api: FakeApi) -> None:
    api.refuse(LIST, 403, "auth.scope", "this key lacks the scope invoices:read")
    answer = browser.get("/files")
    assert answer.status_code == 403
    assert "It lacks the scope invoices:read." in answer.text


@pytest.mark.parametrize(("seconds", "text"), [(17, "Wait 17 seconds"), (1, "Wait 1 second,")])
def test_too_many_calls_say_how_long_to_wait(browser: Browser, api: FakeApi, seconds: int, text: str) -> None:
    api.refuse(LIST, 429, "rate.limited", "too many calls", retry_after=seconds)
    answer = browser.get("/files")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, str(seconds))
    assert text in answer.text


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_api_that_fails_lost_nothing(browser: Browser, api: FakeApi, status: int) -> None:
    api.refuse(LIST, status, "service.unavailable", "MongoDB does not answer")
    answer = browser.get("/files")
    assert answer.status_code == 503
    assert "Nothing was lost" in answer.text
    assert "MongoDB" not in answer.text


def test_no_gateway_at_all(stranger: Browser) -> None:
    app = create_app(Settings(api_url="http://127.0.0.1:9"))
    browser = Browser(app)
    answer = browser.submit("/sign-in", "/sign-in", key="mr_x")
    assert answer.status_code == 503
    assert "Nothing was lost" in answer.text
    assert "mr_x" not in answer.text  # a key is not kept


@pytest.mark.parametrize("status", [200, 302, 502])
def test_an_answer_that_is_no_json_is_an_outage(browser: Browser, api: FakeApi, status: int) -> None:
    api.answer(LIST, b"<html>Maintenance</html>", status, Content_Type="text/html")
    assert browser.get("/files").status_code == 503


def test_a_filter_that_the_api_refuses_says_why(browser: Browser, api: FakeApi) -> None:
    api.refuse(LIST, 422, "query.state", "there is no state <b>x</b>", field="state")
    answer = browser.get("/files?state=x")
    assert answer.status_code == 422
    assert "there is no state &lt;b&gt;x&lt;/b&gt;" in answer.text


def test_a_part_of_a_page_shows_the_reason_in_its_place(browser: Browser, api: FakeApi) -> None:
    api.refuse("GET invoices/figures/waiting", 503, "service.unavailable", "no")
    answer = browser.get("/figures/waiting", **{"HX-Request": "true"})
    assert answer.status_code == 503
    assert "<html" not in answer.text
    assert "Nothing was lost" in answer.text


def test_a_fault_of_ours_tells_nothing_of_the_inside(browser: Browser, api: FakeApi) -> None:
    api.answer(LIST, {"items": "no list"})
    answer = browser.get("/files", **{"X-Call-Id": "call-17"})
    assert answer.status_code == 500
    assert "call-17" in answer.text
    assert "Traceback" not in answer.text
    assert "UndefinedError" not in answer.text


@pytest.mark.parametrize("path", ["/sign-in", "/", "/files", "/nowhere", "/figures/today"])
def test_every_answer_has_the_headers(browser: Browser, api: FakeApi, path: str) -> None:
    headers = browser.get(path).headers
    origin = "https://s3.shop.example:9000"
    assert headers["Content-Security-Policy"] == (
        f"default-src 'self'; connect-src 'self' {origin}; form-action 'self' {origin}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("endpoint", ["s3.example", "https://", "https://a;b", "https://a, https://b", "ftp://a"])
def test_an_origin_that_is_none_is_refused_at_the_start(endpoint: str) -> None:
    with pytest.raises(InvalidSetting, match="S3_PUBLIC_ENDPOINT"):
        create_app(Settings(s3_public_endpoint=endpoint))


@pytest.mark.parametrize("prefix", ["", "console", "/console/", "/a//b", "/../x y", "//evil.example"])
def test_a_prefix_that_is_none_is_refused_at_the_start(prefix: str) -> None:
    with pytest.raises(InvalidSetting, match="CONSOLE_PREFIX"):
        Settings(console_prefix=prefix)
