"""A function is killed in the middle of an upload or a correction: nothing is lost, and the page says so."""

from __future__ import annotations

import os
import secrets
import signal
from pathlib import Path
from typing import Any

import pytest

from local.client import Client
from tests.e2e.console.conftest import ConsoleOfStack
from tests.integration.invoices.files import csv, line
from tests.support.slow import others_slow
from tests.support.waiting import eventually


@pytest.mark.parametrize("function", others_slow(["invoices", "console"], "invoices"))
def test_an_upload_through_a_killed_function_is_sent_again(
    console_stack: ConsoleOfStack, client: Client, tmp_path: Path, function: str
) -> None:
    """The bucket cannot be reached from this browser, so the file goes through the functions."""
    page, name = console_stack.page, f"killed-{secrets.token_hex(4)}.csv"
    (tmp_path / name).write_bytes(csv(line(name)) + b"\n" * (8 << 20))
    console_stack.watch.expect("ERR_")
    console_stack.watch.expect("50")
    page.route(f"{console_stack.stack.info['minio']['endpoint']}/**", lambda route: route.abort())
    page.goto(f"{console_stack.url}/files/upload")
    page.get_by_label("Import at once").check()

    killed: list[str] = []

    def kill_once(request: Any) -> None:
        if not killed and request.url.endswith("/files/upload/through"):
            killed.append(request.url)
            os.kill(console_stack.stack.info["processes"][function], signal.SIGKILL)

    page.on("request", kill_once)
    page.locator("#file").set_input_files(tmp_path / name)
    page.get_by_role("button", name="Upload", exact=True).click()
    page.get_by_role("link", name="See its import").wait_for(timeout=60_000)
    assert killed

    def done() -> Any:
        return client.get("invoices/imports", key=name, state="done")["items"]

    ended = eventually(done, what="the import")
    assert all(each["counts"]["inserted"] + each["counts"]["unchanged"] == 1 for each in ended)
    page.remove_listener("request", kill_once)


@pytest.mark.parametrize(
    "milliseconds", [100, pytest.param(0, marks=pytest.mark.slow), pytest.param(300, marks=pytest.mark.slow)]
)
def test_a_correction_whose_function_is_killed_is_done_once(
    console_stack: ConsoleOfStack, client: Client, milliseconds: int
) -> None:
    """The kill hits another step each time. The page says that it was sent, or offers to send it again."""
    page, prefix = console_stack.page, secrets.token_hex(4)
    key = f"{prefix}/may.csv"
    client.upload(key, csv(line(f"{prefix}-1"), line(f"{prefix}-2", gross="no")))
    [first] = eventually(lambda: client.get("invoices/imports", key=key, state="done")["items"], what="the import")
    page.goto(f"{console_stack.url}/files/imports/{first['id']}")
    page.get_by_label("grossAmount of row 2").fill("119.00")
    console_stack.watch.expect("50")

    page.get_by_role("button", name="Send the corrections").click(no_wait_after=True)
    page.wait_for_timeout(milliseconds)
    os.kill(console_stack.stack.info["processes"]["invoices"], signal.SIGKILL)

    sent, kept = page.get_by_text("sent as the file"), page.get_by_text("Nothing was lost")

    def is_sent() -> bool:
        sent.or_(kept).first.wait_for()
        if sent.is_visible():  # a page says it once, also if the rest of that page is missing
            return True
        if kept.is_visible() and (again := page.get_by_role("button", name="Send again")).is_visible():
            again.click()
        elif kept.is_visible():  # the function was killed before the page that follows
            page.reload()
        return sent.is_visible()

    eventually(is_sent, 60, what="the function")
    [invoice] = eventually(lambda: client.get("invoices", invoiceNumber=f"{prefix}-2")["items"], what="the invoice")
    assert invoice["grossAmount"] == "119.00"
    files = {each["key"] for each in client.get("invoices/imports", limit="200")["items"]}
    assert len([each for each in files if each.startswith(prefix) and each != key]) == 1
