"""What upload.js does with unusual names, and once the session has ended."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.e2e.console.conftest import origin
from tests.support.browser import Watch
from tests.support.fake_api import FakeApi
from tests.support.slow import others_slow


def choose(page: Page, console: str, file: Path) -> None:
    """Opens the page of uploads, and drops the file there."""
    file.write_bytes(b"a,b\n")
    page.goto(f"{console}/files/upload?folder=acme")
    page.get_by_label("Import at once").check()
    page.locator("#file").set_input_files(file)


def send(page: Page) -> None:
    page.get_by_role("button", name="Upload", exact=True).click()


NAMES = ["may.csv", "a$&b.csv", "$$ 2024.csv", "x$'y$`z.csv", "ä “b”.csv"]


@pytest.mark.parametrize("name", others_slow(NAMES, "x$'y$`z.csv", "ä “b”.csv"))
def test_a_file_keeps_its_name(signed_in: Page, console: str, api: FakeApi, tmp_path: Path, name: str) -> None:
    bucket, sent = f"{origin(console)}/invoices", list[Request]()
    api.answer("POST invoices/uploads", {"url": bucket, "fields": {"policy": "p"}, "keyPrefix": "acme/"}, 201)

    def take(route: Route) -> None:
        sent.append(route.request)
        route.fulfill(status=204)

    signed_in.route(bucket, take)
    choose(signed_in, console, tmp_path / name)
    send(signed_in)
    link = signed_in.get_by_role("link", name="See its import").get_attribute("href") or ""
    assert parse_qs(urlsplit(link).query)["key"] == [f"acme/{name}"]
    [request] = sent
    assert f'name="key"\r\n\r\nacme/{name}\r\n'.encode() in (request.post_data_buffer or b"")


def drop(page: Page, files: dict[str, str]) -> None:
    """Drops files as a desktop does: no input is involved."""
    page.locator("[data-upload]").evaluate(
        """(form, files) => {
            const dropped = new DataTransfer();
            for (const [name, text] of Object.entries(files)) dropped.items.add(new File([text], name));
            form.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
        }""",
        files,
    )


def test_files_that_are_dropped_are_uploaded_and_a_refusal_names_its_reason(
    signed_in: Page, watch: Watch, console: str, api: FakeApi
) -> None:
    bucket = f"{origin(console)}/invoices"
    api.answer("POST invoices/uploads", {"url": bucket, "fields": {"policy": "p"}, "keyPrefix": ""}, 201)
    refusal = "<?xml version='1.0'?><Error><Code>EntityTooSmall</Code><Message>The file is too small.</Message></Error>"
    watch.expect("400")

    def take(route: Route) -> None:
        refused = b'filename="empty.csv"' in (route.request.post_data_buffer or b"")
        route.fulfill(status=400 if refused else 204, body=refusal if refused else "", content_type="application/xml")

    signed_in.route(bucket, take)
    signed_in.goto(f"{console}/files/upload")
    signed_in.get_by_label("Import at once").check()
    drop(signed_in, {"may.csv": "a,b", "empty.csv": "", "june.csv": "a,b"})
    rows = signed_in.locator("[data-uploads] li")
    expect(rows.filter(has_text="may.csv").get_by_role("link")).to_be_visible()
    expect(rows.filter(has_text="june.csv").get_by_role("link")).to_be_visible()
    expect(rows.filter(has_text="empty.csv")).to_contain_text("The file is too small.")


def test_a_person_whose_session_has_ended_is_told(
    signed_in: Page, watch: Watch, console: str, api: FakeApi, tmp_path: Path
) -> None:
    choose(signed_in, console, tmp_path / "may.csv")
    watch.expect("401")
    api.sessions.clear()
    send(signed_in)
    expect(signed_in.locator("[data-uploads] li")).to_contain_text("not uploaded: Your session has ended")
