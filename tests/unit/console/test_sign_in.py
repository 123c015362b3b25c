"""Who gets in, what the cookie is, and that signing out ends it."""

from __future__ import annotations

from html import escape

import pytest
from flask import Flask

from mailroom.console.app import create_app
from mailroom.platform.settings import Settings
from tests.support.fake_api import CODE, KEY, FakeApi
from tests.unit.console.conftest import PREFIX, Browser, form_fields

SESSION = "mailroom-session"


def test_a_key_opens_a_session_and_only_that_is_kept(stranger: Browser, api: FakeApi) -> None:
    answer = stranger.submit("/sign-in", "/sign-in", key=KEY)
    assert (answer.status_code, answer.location) == (303, f"{PREFIX}/")
    cookie = stranger.cookie(SESSION)
    assert cookie.value in api.sessions
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Strict", PREFIX)
    assert KEY not in str(answer.headers)
    page = stranger.get("/")
    assert page.status_code == 200
    assert "Anna &lt;accountant&gt;" in page.text


@pytest.mark.parametrize(
    ("host", "secure"),
    [
        ("127.0.0.1:8080", False),
        ("localhost", False),
        ("[::1]:8080", False),
        ("mail.shop.example", True),
        ("127.0.0.1.evil.example", True),
        ("192.168.0.7:8080", True),
    ],
)
def test_the_cookie_is_sent_without_tls_on_the_same_machine_only(stranger: Browser, host: str, secure: bool) -> None:
    fields = form_fields(stranger.get("/sign-in").text, "/sign-in")
    answer = stranger.post("/sign-in", data=fields | {"key": KEY}, headers={"X-Forwarded-Host": host})
    [cookie] = [each for each in answer.headers.getlist("Set-Cookie") if each.startswith(f"{SESSION}=session")]
    assert ("; Secure" in cookie) is secure


@pytest.mark.parametrize(
    "key", ["", "   ", "wrong", "mr_0123456789abcdef01234567_other", "“mr_0123”", "mr_1\nX-Evil: 1"]
)
def test_a_wrong_key_is_refused_with_a_reason(stranger: Browser, key: str) -> None:
    answer = stranger.submit("/sign-in", "/sign-in", key=key)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert stranger.cookie(SESSION) is None


def test_a_link_is_spent_by_the_button_and_only_once(stranger: Browser, app: Flask, api: FakeApi) -> None:
    page = stranger.get(f"/enter?code={CODE}")
    assert api.codes == {CODE}
    fields = form_fields(page.text, "/enter")
    assert stranger.post("/enter", data=fields).status_code == 303
    assert stranger.get("/").status_code == 200
    again = Browser(app)
    assert again.submit(f"/enter?code={CODE}", "/enter").status_code == 422
    assert again.cookie(SESSION) is None


def test_a_link_of_another_site_ends_no_session(browser: Browser) -> None:
    """The browser follows it without our cookie, and would remove the cookie if it were told to."""
    kept = browser.cookie(SESSION)
    browser.client.delete_cookie(SESSION, domain="localhost", path=PREFIX)
    answer = browser.get("/files/upload")
    assert answer.status_code == 303
    assert not answer.headers.getlist("Set-Cookie")
    browser.client.set_cookie(SESSION, kept.value, domain="localhost", path=PREFIX)
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/files?key=a%22%26b&state=", f"/enter?code={CODE}", "/mail/templates/named/a%2525"])
def test_a_link_of_another_site_leads_to_its_page(stranger: Browser, path: str) -> None:
    """A page of ours asks for the same again, and then the browser sends the cookie."""
    arrives = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    page = stranger.get(path, **arrives)
    assert page.status_code == 200
    assert f'content="0; url={PREFIX}{escape(path)}"' in page.text
    assert not page.headers.getlist("Set-Cookie")
    assert stranger.get("/static/x/console.css", **arrives | {"Sec-Fetch-Dest": "style"}).mimetype == "text/css"


def test_signing_out_revokes_the_session(browser: Browser, api: FakeApi) -> None:
    cookie = browser.cookie(SESSION).value
    answer = browser.submit("/", "/sign-out")
    assert answer.status_code == 303
    assert api.sessions == set()
    assert browser.cookie(SESSION) is None
    browser.client.set_cookie(SESSION, cookie, domain="localhost", path=PREFIX)
    for path in ("/", "/files", "/figures/today"):
        assert browser.get(path).status_code == 303, path
        browser.client.set_cookie(SESSION, cookie, domain="localhost", path=PREFIX)


def test_signing_out_says_so_when_the_session_cannot_be_revoked(browser: Browser, api: FakeApi) -> None:
    api.refuse("DELETE invoices/sessions/current", 503, "service.unavailable", "MongoDB does not answer")
    answer = browser.submit("/", "/sign-out")
    assert answer.status_code == 503
    assert browser.cookie(SESSION) is not None


def test_a_stranger_is_led_to_the_sign_in_and_back(stranger: Browser) -> None:
    answer = stranger.get("/files?state=failed")
    assert answer.status_code == 303
    assert answer.location == f"{PREFIX}/sign-in?next=/files?state%3Dfailed"
    target = answer.location.removeprefix(PREFIX)
    fields = form_fields(stranger.get(target).text, "/sign-in")
    answer = stranger.post("/sign-in", data=fields | {"key": KEY})
    assert answer.location == f"{PREFIX}/files?state=failed"


@pytest.mark.parametrize(
    "target",
    [
        *("//evil.example", "https://evil.example", "/\\evil.example", "\t//evil", "evil"),
        *("/../invoices/docs", "/files/../../x", "/%2e%2E/x", "/..?x", "/..#x"),
    ],
)
def test_signing_in_leads_to_pages_of_the_console_only(stranger: Browser, target: str) -> None:
    answer = stranger.submit("/sign-in", "/sign-in", key=KEY, next=target)
    assert answer.location == f"{PREFIX}/"


def test_a_part_of_a_page_leads_to_the_sign_in_as_a_whole(stranger: Browser) -> None:
    answer = stranger.get("/figures/today", **{"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == f"{PREFIX}/sign-in"


@pytest.mark.parametrize("prefix", ["/", "/console", "/function/console"])
def test_every_link_is_below_the_prefix(api: FakeApi, prefix: str) -> None:
    app = create_app(Settings(api_url=api.url, console_prefix=prefix))
    page = app.test_client().get("/sign-in").text
    import re

    found = re.findall(r'(?:href|src|action)="([^"#]*)"', page)
    assert found
    assert all(each.startswith(prefix) for each in found), found
