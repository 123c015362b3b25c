"""`make screenshots`: runs the demo and takes the pictures of docs/ from the console. Needs a Chromium on the PATH."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from rich.console import Console

from local import browser, tools
from local.client import Client
from local.demo.__main__ import run
from local.demo.receiver import WebhookReceiver
from local.stack import Stack

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs/pictures"
WIDTH, HEIGHT = 1100, 760

TEMPLATE = "invoice-reminder"
CONTENT = {
    "subject": "Invoice {{ number }} is due on {{ day }}",
    "html": """<h1 style="color: #1a5c68">Hello {{ name }}</h1>
<p>Your invoice <b>{{ number }}</b> is due on {{ day }}.</p>
<p>If you have paid it already, thank you:
you need not do anything.</p>
<p>Kind regards<br>Shop Ltd</p>
""",
}

# The path of a page by the picture's name, once the demo has run. `{import}` is the file with rejected rows.
PAGES = {
    "overview": "/",
    "import": "/files/imports/{import}",
    "upload": "/files/upload",
    "invoices": "/invoices",
    "invoice": "/invoices/{invoice}",
    "message": "/mail/{message}",
    "template": "/mail/templates/named/{template}",
    "webhook": "/mail/webhooks/{webhook}/deliveries/{delivery}",
    "health": "/health",
}


def main() -> int:
    program = browser.installed()
    if program is None:
        print(browser.MISSING, file=sys.stderr)
        return 1
    tools.install()
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="mailroom-pictures-") as folder,
        Stack(ROOT, Path(folder), quiet=False) as stack,
        WebhookReceiver() as receiver,
    ):
        client = Client(stack.info)
        run(client, Console(), receiver)
        client.put(f"notifications/templates/{TEMPLATE}", CONTENT)
        with sync_playwright() as playwright:
            window = browser.launch(playwright, program)
            page = window.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            take(page, stack.console_link(), names(client))
            window.close()
    return 0


def names(client: Client) -> dict[str, str]:
    """What stands for the names in the paths of `PAGES`."""
    [rejected] = [each for each in client.get("invoices/imports")["items"] if each["counts"]["rejected"]]
    first = client.get("invoices", supplier="Müller Bürobedarf GmbH")["items"][0]
    newest = client.get("notifications")["items"][0]
    [webhook] = client.get("notifications/webhooks")["items"]
    [delivery] = client.get(f"notifications/webhooks/{webhook['id']}/deliveries")["items"]
    return {
        "import": rejected["id"],
        "invoice": first["id"],
        "message": newest["id"],
        "template": TEMPLATE,
        "webhook": webhook["id"],
        "delivery": delivery["id"],
    }


def take(page: Page, link: str, ids: dict[str, str]) -> None:
    """Signs in by the link and takes all pictures."""
    page.goto(link)
    console = link.partition("/enter")[0]
    page.get_by_role("main").get_by_role("button").click()
    page.wait_for_url(f"{console}/")
    for name, path in PAGES.items():
        page.goto(console + path.format_map(ids))
        page.wait_for_load_state("networkidle")
        file = PICTURES / f"{name}.png"
        page.screenshot(path=file)
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
