"""A browser that looks at the console: before a fake API with chosen answers, or within the whole stack."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from werkzeug.serving import make_server

from local.stack import Stack
from mailroom.console.app import create_app
from mailroom.platform.settings import Settings
from tests.e2e.console import sample
from tests.support.attacker import Attacker, attacking
from tests.support.browser import Watch, chromium
from tests.support.fake_api import KEY, FakeApi, fake_api

PREFIX = "/function/console"
HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps these tests apart from those that start containers: these change the networks of the machine, and at each
    change Chromium drops its connections."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("deploy"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each module: while it runs, its thread has an event loop, and other tests may need their own."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """It answers with samples until a test sets another answer."""
    with fake_api() as served:
        sample.fill(served)
        yield served


@pytest.fixture
def console(api: FakeApi) -> Iterator[str]:
    """The URL of a console before the fake API, behind what strips the prefix as a gateway does."""
    app = create_app(Settings(api_url=api.url, s3_public_endpoint="http://127.0.0.1:9"))

    def gateway(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith(PREFIX):
            start_response("404 Not Found", [])
            return [b""]
        return app(environ | {"PATH_INFO": environ["PATH_INFO"].removeprefix(PREFIX)}, start_response)

    server = make_server("127.0.0.1", 0, gateway, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
    finally:
        server.shutdown()
        thread.join()


def origin(url: str) -> str:
    return "/".join(url.split("/")[:3])


@pytest.fixture
def options() -> dict[str, Any]:
    """Options of the browser's context; a module or a test overrides them."""
    return {}


@pytest.fixture
def watched(browser: Browser, options: dict[str, Any]) -> Iterator[Callable[[set[str]], tuple[Page, Watch]]]:
    """Makes pages that fail the test on any error of a script, dialog or request to another origin."""
    made: list[tuple[BrowserContext, Watch]] = []

    def make(origins: set[str]) -> tuple[Page, Watch]:
        context = browser.new_context(**options)
        page = context.new_page()
        watch = Watch(page, origins)
        made.append((context, watch))
        return page, watch

    yield make
    for context, _ in made:
        context.close()
    for _, watch in made:
        watch.check()


@pytest.fixture
def watch_and_page(console: str, watched: Callable[[set[str]], tuple[Page, Watch]]) -> tuple[Page, Watch]:
    return watched({origin(console)})


@pytest.fixture
def page(watch_and_page: tuple[Page, Watch]) -> Page:
    """A page before the fake API. The test fails on whatever the page must not do."""
    return watch_and_page[0]


@pytest.fixture
def watch(watch_and_page: tuple[Page, Watch]) -> Watch:
    return watch_and_page[1]


@pytest.fixture
def signed_in(page: Page, console: str) -> Page:
    return sign_in(page, console, KEY)


def sign_in(page: Page, console: str, key: str) -> Page:
    page.goto(f"{console}/sign-in")
    page.get_by_label("API key").fill(key)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{console}/")
    return page


@dataclass(frozen=True)
class ConsoleOfStack:
    """The console of a whole stack, and a page that is signed in with the stack's key."""

    stack: Stack
    page: Page
    watch: Watch
    url: str


@pytest.fixture
def console_stack(stack: Stack, watched: Callable[[set[str]], tuple[Page, Watch]]) -> ConsoleOfStack:
    """The whole local stack."""
    gateway, bucket = stack.info["gateway"], stack.info["minio"]["endpoint"]
    page, watch = watched({gateway, bucket})
    url = f"{gateway}{PREFIX}"
    return ConsoleOfStack(stack, sign_in(page, url, stack.info["apiKey"]), watch, url)


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    with attacking() as attacker:
        yield attacker
