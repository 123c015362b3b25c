"""The accountant's day: a German file, its columns, its rejected rows, the invoices, the export."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from local.client import Client
from tests.e2e.console.conftest import ConsoleOfStack
from tests.integration.invoices.files import csv, line
from tests.support.browser import SCHEMES, WIDTHS, check_readable, look
from tests.support.waiting import eventually

HEADER = "Betreff Ident;Rechnungsdatum;Brutto;Netto;MwSt;Lieferant;Währung\r\n"


def german_file(folder: Path, prefix: str) -> Path:
    """Three rows: one has a wrong amount, one a wrong date."""
    rows = (
        f"{prefix}-1;31.01.2024;1.190,00;1.000,00;190,00;Müller GmbH;EUR\r\n"
        f"{prefix}-2;29.02.2024;zehn;100,00;19,00;Müller GmbH;EUR\r\n"
        f"{prefix}-3;30.02.2024;119,00;100,00;19,00;<b>Groß & Söhne</b>;EUR\r\n"
    )
    file = folder / "märz.csv"
    file.write_bytes((HEADER + rows).encode("cp1252"))
    return file


def see(page: Page, name: str) -> None:
    """Nothing serious hinders anybody, at each width, in light and dark."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            look(page, width, scheme)
            check_readable(page, f"{name} {width} {scheme}")


def test_the_day_of_an_accountant(console_stack: ConsoleOfStack, client: Client, tmp_path: Path) -> None:
    page, prefix = console_stack.page, secrets.token_hex(4)
    folder = f"day-{prefix}"
    file = german_file(tmp_path, prefix)

    page.get_by_role("link", name="Files", exact=True).click()
    page.get_by_role("link", name="Upload files").click()
    page.get_by_label("Folder").fill(folder)
    see(page, "upload")
    page.locator("#file").set_input_files(file)
    page.get_by_role("button", name="Upload", exact=True).click()

    # It is shown before it is imported, and the column that nobody knows is mapped.
    page.get_by_role("heading", name="Before it is imported").wait_for()
    assert client.get("invoices", invoiceNumber=f"{prefix}-1")["items"] == []
    page.get_by_label("Betreff Ident is our column").select_option("Invoice number")
    page.get_by_role("button", name="Show with these columns").click()
    assert f"{prefix}-1" in page.get_by_role("region", name="The first rows").inner_text()
    see(page, "check")
    page.get_by_role("button", name="Dry run").click()
    page.get_by_role("link", name="Go on to the import").wait_for()
    assert client.get("invoices", invoiceNumber=f"{prefix}-1")["items"] == []
    page.get_by_role("link", name="Go on to the import").click()
    page.get_by_role("button", name="Import", exact=True).click()

    # Two rows are rejected. They are corrected where they are shown.
    page.get_by_role("button", name="Send the corrections").wait_for()
    assert "2 rejected rows" in page.inner_text("main")
    see(page, "import")
    first = page.url
    page.get_by_label("Brutto of row 2").fill("119,00")
    page.get_by_label("Rechnungsdatum of row 3").fill("29.02.2024")
    page.get_by_role("button", name="Send the corrections").click()
    page.get_by_text("2 rows were sent as the file").wait_for()
    assert page.url != first

    def corrected() -> Any:
        return client.get("invoices", invoiceNumber=f"{prefix}-3")["items"]

    [invoice] = eventually(corrected, what="the corrected row")
    assert (invoice["supplierName"], invoice["grossAmount"]) == ("<b>Groß & Söhne</b>", "119.00")
    source = client.get(f"invoices/{invoice['id']}/source")
    assert source["row"] == 2
    assert "29.02.2024" in source["text"]

    # The invoice shows the row that it came from, and goes into an export.
    page.goto(f"{console_stack.url}/invoices/{invoice['id']}/source")
    assert "29.02.2024" in page.inner_text("main")
    page.goto(f"{console_stack.url}/invoices/{invoice['id']}")
    assert "<b>Groß & Söhne</b>" in page.inner_text("main")
    exported = page.request.get(f"{console_stack.url}/invoices/export?invoiceNumber={prefix}-3&format=csv")
    assert f'"{prefix}-3"' in exported.text()


def test_several_files_are_imported_at_once(console_stack: ConsoleOfStack, client: Client, tmp_path: Path) -> None:
    page, prefix = console_stack.page, secrets.token_hex(4)
    names = [f"{prefix}-{number}.csv" for number in range(4)]
    for name in names:
        (tmp_path / name).write_bytes(csv(line(name)))
    page.goto(f"{console_stack.url}/files/upload?folder={prefix}")
    page.get_by_label("Import at once").check()
    page.locator("#file").set_input_files([tmp_path / name for name in names])
    page.get_by_role("button", name="Upload", exact=True).click()
    links = page.get_by_role("link", name="See its import")
    links.nth(3).wait_for()
    links.first.click()
    page.locator(".badge", has_text="done").wait_for()
    for name in names:
        eventually(lambda name=name: client.get("invoices", invoiceNumber=name)["items"], what=name)


class TestWithoutScripts:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"java_script_enabled": False}

    def test_a_file_is_uploaded_looked_at_imported_and_corrected(
        self, console_stack: ConsoleOfStack, client: Client, tmp_path: Path
    ) -> None:
        page, prefix = console_stack.page, secrets.token_hex(4)
        file = tmp_path / "may & june.csv"
        file.write_bytes(csv(line(f"{prefix}-1"), line(f"{prefix}-2", gross="no")))
        page.get_by_role("link", name="Files", exact=True).click()
        page.get_by_role("link", name="Upload files").click()
        page.get_by_label("Folder").fill(prefix)
        page.get_by_role("button", name="Use these").click()
        page.locator("#file").set_input_files(file)
        page.get_by_role("button", name="Upload", exact=True).click()
        page.get_by_role("heading", name="Before it is imported").wait_for()
        page.get_by_role("button", name="Import", exact=True).click()

        def sees_rejects() -> bool:
            page.reload()
            return "One rejected row" in page.inner_text("main")

        eventually(sees_rejects, what="the rejected row")
        page.get_by_label("grossAmount of row 2").fill("119.00")
        page.get_by_role("button", name="Send the corrections").click()
        page.get_by_text("One row was sent as the file").wait_for()
        eventually(lambda: client.get("invoices", invoiceNumber=f"{prefix}-2")["items"], what="the invoice")
