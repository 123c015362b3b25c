"""The accountant's day by keyboard alone: Tab, Enter, Space and letters. Nothing is clicked."""

from __future__ import annotations

import secrets
from pathlib import Path

from playwright.sync_api import Page

from local.client import Client
from tests.e2e.console.conftest import ConsoleOfStack
from tests.integration.invoices.files import csv, line
from tests.support.waiting import eventually

MOST_STOPS = 60  # of Tab until a control must have come

# The name of what has the focus, and whether a ring or frame shows that it has.
FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const labels = [...(at.labels ?? [])].map((label) => label.innerText);
  const name = at.getAttribute("aria-label") || labels.join(" ") || at.innerText || at.value || "";
  const box = at.getBoundingClientRect();
  const inView = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return {name: name.replace(/\\s+/g, " ").trim(), tag: at.tagName.toLowerCase(), isInView: inView,
          hasRing: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2};
}"""


def tab_to(page: Page, name: str) -> list[str]:
    """Presses Tab until a control whose name begins so has the focus. Each stop must be in sight. Returns the stops."""
    passed: list[str] = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["tag"] == "body":
            continue  # the window itself, before the first link
        assert focused["hasRing"], f"nothing shows that {focused} has the focus"
        assert focused["isInView"], f"{focused} has the focus out of sight"
        passed.append(focused["name"])
        if focused["name"].startswith(name):
            return passed
    raise AssertionError(f"no Tab leads to {name}: {passed}")


def skip_to(page: Page, name: str) -> list[str]:
    """Jumps over the navigation by the first link, then goes to a control."""
    assert tab_to(page, "Skip to the content") == ["Skip to the content"]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    return tab_to(page, name)


def enter(page: Page, name: str) -> None:
    """Presses Enter on a link or button, and waits for the page that comes."""
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name=name).wait_for()


def test_the_day_of_an_accountant_needs_no_mouse(console_stack: ConsoleOfStack, client: Client, tmp_path: Path) -> None:
    page, prefix = console_stack.page, secrets.token_hex(4)
    file = tmp_path / f"{prefix}.csv"
    file.write_bytes(csv(line(f"{prefix}-1"), line(f"{prefix}-2", gross="no")))

    tab_to(page, "Sign out")
    enter(page, "Sign in")
    tab_to(page, "API key")
    page.keyboard.type(console_stack.stack.info["apiKey"])
    enter(page, "Overview")

    # The areas come in the order in which they are seen, and the page's own action is the first behind them.
    assert tab_to(page, "Files")[-3:] == ["Mailroom", "Overview", "Files"]
    enter(page, "Files")
    assert skip_to(page, "Upload files") == ["Upload files"]
    enter(page, "Upload files")
    skip_to(page, "Folder")
    page.keyboard.type(prefix)
    tab_to(page, "Import at once")
    page.keyboard.press("Space")
    tab_to(page, "CSV file or workbook")
    page.locator(":focus").set_input_files(file)  # the dialog that Enter opens is the browser's own
    tab_to(page, "Upload")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="See its import").wait_for()
    tab_to(page, "See its import")
    enter(page, f"{prefix}/{prefix}.csv")

    page.get_by_role("button", name="Send the corrections").wait_for()
    skip_to(page, "grossAmount of row 2")
    page.keyboard.type("119.00")  # in place of what is there: Tab selects it
    tab_to(page, "Send the corrections")
    enter(page, f"{prefix}/")
    page.get_by_text("One row was sent as the file").wait_for()
    eventually(lambda: client.get("invoices", invoiceNumber=f"{prefix}-2")["items"], what="the corrected row")

    tab_to(page, "Invoices")
    enter(page, "Invoices")
    skip_to(page, "Invoice number")
    page.keyboard.type(f"{prefix}-2")
    enter(page, "Invoices")
    skip_to(page, f"{prefix}-2")
    tab_to(page, "Export this selection")
    page.keyboard.press("Enter")
    tab_to(page, "Download")
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    assert f'"{prefix}-2"' in started.value.path().read_text(encoding="utf-8-sig")
